//! A future that hardly ever has news, beside one that often has: it is polled when it was woken itself, not
//! each time the other one is.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};

/// The future, and whether it has news.
#[derive(Debug)]
pub(crate) struct Seldom<F> {
    future: F,
    bell: Option<Arc<Bell>>,
}

#[derive(Debug)]
struct Bell {
    rung: AtomicBool,
    /// Of the task in which the future was polled last.
    task: Waker,
}

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.rung.store(true, Ordering::Release);
        self.task.wake_by_ref();
    }
}

impl<F> Seldom<F> {
    pub(crate) fn new(future: F) -> Self {
        Self { future, bell: None }
    }
}

impl<F: Future + Unpin> Future for Seldom<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let this = self.get_mut();
        let known = this.bell.take().filter(|bell| bell.task.will_wake(cx.waker()));
        let bell = match known {
            Some(bell) if !bell.rung.swap(false, Ordering::AcqRel) => {
                this.bell = Some(bell);
                return Poll::Pending;
            }
            Some(bell) => bell,
            None => Arc::new(Bell { rung: AtomicBool::new(false), task: cx.waker().clone() }),
        };
        let waker = Waker::from(bell.clone());
        this.bell = Some(bell);
        Pin::new(&mut this.future).poll(&mut Context::from_waker(&waker))
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    #[tokio::test]
    async fn only_its_own_news_makes_it_run() {
        let polls = Cell::new(0);
        let (tell, told) = tokio::sync::oneshot::channel::<()>();
        let mut told = std::pin::pin!(told);
        let future = std::pin::pin!(std::future::poll_fn(|cx| {
            polls.set(polls.get() + 1);
            told.as_mut().poll(cx)
        }));
        let mut seldom = Seldom::new(future);
        for _ in 0..10 {
            tokio::select! {
                biased;
                _ = &mut seldom => panic!("nothing was told"),
                () = tokio::task::yield_now() => {}
            }
        }
        assert_eq!(polls.get(), 1);
        tell.send(()).unwrap();
        seldom.await.unwrap();
        assert_eq!(polls.get(), 2);
    }
}
