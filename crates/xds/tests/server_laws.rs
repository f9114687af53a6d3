//! Laws of sessions, with a client that takes its time: requests and responses are delivered one by one,
//! in any interleaving with new sets, refusals and broken streams.
// Helpers of tests may panic as tests do.
#![allow(clippy::unwrap_used)]

mod model;

use std::sync::Arc;
use std::time::Duration;

use model::{Client, Mesh};
use proptest::prelude::*;
use weft_proto::resource::ResourceSet;
use weft_xds::server::{Ask, Delta, Limits, Protocol, Reply, Session, StateOfTheWorld};

/// One thing that happens.
#[derive(Clone, Debug)]
enum Step {
    /// The mesh is another one.
    Mesh(Mesh),
    /// The server hears the next request.
    Request,
    /// The client hears the next response; refuses it if it may.
    Response { refuse: bool },
    /// Time goes by.
    Time(u64),
    /// The stream breaks, and the client comes back.
    Break,
}

fn steps(breaks: bool) -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        2 => any::<u64>().prop_map(|seed| Step::Mesh(Mesh::of(seed))),
        8 => Just(Step::Request),
        8 => (0..8_u8).prop_map(|dice| Step::Response { refuse: dice == 0 }),
        1 => (0..600_u64).prop_map(Step::Time),
        u32::from(breaks) => Just(Step::Break),
    ];
    prop::collection::vec(step, 0..200)
}

/// Who may be refused.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Refusing {
    /// Listeners and routes: then nothing is to be missed at any time.
    Users,
    /// Anything: then the end counts alone.
    Anything,
}

struct World<P: Protocol> {
    session: Session<P>,
    client: Client,
    set: Arc<ResourceSet>,
    now: Duration,
    to_server: std::collections::VecDeque<Ask>,
    to_client: std::collections::VecDeque<Reply>,
    limits: Limits,
}

impl<P: Protocol> World<P> {
    fn new() -> Self {
        // So small that few resources fit into one response.
        let limits = Limits { response_bytes: 40, ..Limits::default() };
        let set = Arc::new(Mesh::of(0).set());
        let mut world = Self {
            session: Session::new(set.clone(), limits),
            client: Client::new(P::WHOLE_SETS),
            set,
            now: Duration::ZERO,
            to_server: Default::default(),
            to_client: Default::default(),
            limits,
        };
        world.to_server.extend(world.client.connect());
        world
    }

    fn poll(&mut self) {
        self.to_client.extend(self.session.poll(self.now));
    }

    fn step(&mut self, step: Step, refusing: Refusing) {
        match step {
            Step::Mesh(mesh) => {
                self.set = Arc::new(mesh.set());
                self.session.set(self.set.clone());
            }
            Step::Request => {
                if let Some(ask) = self.to_server.pop_front() {
                    self.session.receive(ask, self.now).unwrap();
                }
            }
            Step::Response { refuse } => {
                if let Some(reply) = self.to_client.pop_front() {
                    let may = refusing == Refusing::Anything || model::is_user(&reply.type_url);
                    self.to_server.extend(self.client.take(reply, refuse && may));
                }
            }
            Step::Time(millis) => self.now += Duration::from_millis(millis),
            Step::Break => {
                self.session = Session::new(self.set.clone(), self.limits);
                self.now = Duration::ZERO;
                self.to_client.clear();
                self.to_server = self.client.connect().into();
            }
        }
        self.poll();
    }

    /// Lets everything come to rest.
    fn settle(&mut self) {
        for _ in 0..2_000 {
            let idle = self.to_server.is_empty() && self.to_client.is_empty();
            match self.session.wake_at() {
                Some(at) if idle => self.now = self.now.max(at),
                None if idle => return,
                _ => {}
            }
            self.step(Step::Request, Refusing::Anything);
            self.step(Step::Response { refuse: false }, Refusing::Anything);
        }
        panic!("the stream does not come to rest");
    }
}

fn run<P: Protocol>(steps: Vec<Step>, refusing: Refusing) -> Result<(), TestCaseError> {
    let mut world = World::<P>::new();
    for step in steps {
        world.step(step, refusing);
        if refusing == Refusing::Users {
            prop_assert_eq!(world.client.missed(), Vec::<String>::new());
        }
    }
    // What was refused comes to rest too; and with new versions of all, everything is taken.
    world.settle();
    world.step(Step::Mesh(Mesh::of(u64::MAX)), refusing);
    world.settle();
    prop_assert_eq!(world.client.holds(), world.client.should_hold(&world.set));
    let status = world.session.status();
    for (type_url, of_type) in &status.types {
        prop_assert!(of_type.in_sync, "{} {:?}", type_url, of_type);
    }
    prop_assert!(status.nacks.len() <= Limits::default().nacks);
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_route_names_a_cluster_that_a_delta_client_lacks(steps in steps(true)) {
        run::<Delta>(steps, Refusing::Users)?;
    }

    #[test]
    fn no_route_names_a_cluster_that_a_client_of_whole_sets_lacks(steps in steps(false)) {
        run::<StateOfTheWorld>(steps, Refusing::Users)?;
    }

    #[test]
    fn a_delta_client_ends_with_the_set_whatever_it_refused(steps in steps(true)) {
        run::<Delta>(steps, Refusing::Anything)?;
    }

    #[test]
    fn a_client_of_whole_sets_ends_with_the_set_whatever_it_refused(steps in steps(true)) {
        run::<StateOfTheWorld>(steps, Refusing::Anything)?;
    }
}
