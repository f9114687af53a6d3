//! One kind, followed: listed, watched, listed again when the watch has lost its place.

use std::pin::pin;
use std::time::Duration;

use futures_util::StreamExt as _;
use kube::api::{Api, DynamicObject};
use kube::runtime::watcher::{self, Event, watcher};
use kube::{Client, Error};
use tokio::sync::mpsc;

use crate::backoff::Backoff;
use crate::held::Change;
use crate::kinds::Watched;
use crate::read::{Seen, key, read};

/// Pause between questions after a kind that the API server does not know.
const UNKNOWN: Duration = Duration::from_secs(1);

/// Tells of a kind until nobody listens.
pub(crate) async fn follow(
    client: Client,
    index: usize,
    watched: Watched,
    changes: mpsc::Sender<(usize, Change)>,
) {
    let api: Api<DynamicObject> = Api::all_with(client, &watched.resource());
    let mut events = pin!(watcher(api, watcher::Config::default()));
    let mut listed: Vec<Seen> = Vec::new();
    let mut backoff = Backoff::new();
    let mut unknown = false;
    while let Some(event) = events.next().await {
        let change = match event {
            Ok(event) => {
                backoff.reset();
                unknown = false;
                match event {
                    Event::Init => {
                        listed = Vec::new();
                        continue;
                    }
                    Event::InitApply(object) => {
                        listed.push(read(&watched, object));
                        continue;
                    }
                    Event::InitDone => Change::All(std::mem::take(&mut listed)),
                    Event::Apply(object) => Change::One(read(&watched, object)),
                    Event::Delete(object) => Change::Gone(key(&object)),
                }
            }
            Err(error) if is_unknown(&error) => {
                tokio::time::sleep(UNKNOWN).await;
                if unknown {
                    continue;
                }
                unknown = true;
                tracing::info!(kind = watched.kind, "the API server does not know it; waiting for it");
                Change::Unknown
            }
            Err(error) => {
                tracing::warn!(kind = watched.kind, %error, "the watch broke; what is known stays");
                tokio::time::sleep(backoff.pause()).await;
                continue;
            }
        };
        if changes.send((index, change)).await.is_err() {
            return;
        }
    }
}

/// Whether there is no such kind (yet).
fn is_unknown(error: &watcher::Error) -> bool {
    matches!(error, watcher::Error::InitialListFailed(Error::Api(status))
        | watcher::Error::WatchStartFailed(Error::Api(status)) if status.code == 404)
}
