//! Wakes tasks of this thread, and a task that must not die of a panic.

use std::cell::{Cell, RefCell};
use std::future::{Future, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::task::{Poll, Waker};

/// A flag that one task waits for. Raising it puts that task behind those which are ready.
#[derive(Default)]
pub struct Flag {
    raised: Cell<bool>,
    waiting: Cell<Option<Waker>>,
}

impl Flag {
    /// Raises the flag and wakes who waits.
    pub fn raise(&self) {
        if !self.raised.replace(true) {
            self.nudge();
        }
    }

    /// Takes the flag down.
    pub fn lower(&self) {
        self.raised.set(false);
    }

    /// Lets the waiting task look again at whatever else it waits for.
    pub fn nudge(&self) {
        if let Some(waker) = self.waiting.take() {
            waker.wake();
        }
    }

    #[must_use]
    pub fn is_raised(&self) -> bool {
        self.raised.get()
    }

    /// Waits for the flag and takes it down.
    pub async fn take(&self) {
        self.until(|| self.raised.replace(false)).await;
    }

    /// Waits until the condition holds; it is looked at again at every [`Flag::nudge`].
    pub async fn until(&self, condition: impl Fn() -> bool) {
        poll_fn(|context| {
            if condition() {
                return Poll::Ready(());
            }
            self.waiting.set(Some(context.waker().clone()));
            Poll::Pending
        })
        .await;
    }

    /// Runs a future that may be dropped at any point until it is done, or the flag is raised:
    /// then `None`.
    pub async fn or<T>(&self, future: impl Future<Output = T>) -> Option<T> {
        let mut future = pin!(future);
        poll_fn(|context| {
            if self.raised.get() {
                return Poll::Ready(None);
            }
            self.waiting.set(Some(context.waker().clone()));
            future.as_mut().poll(context).map(Some)
        })
        .await
    }
}

/// A gate for any number of tasks of this thread. Open at first.
#[derive(Default)]
pub(super) struct Gate {
    shut: Cell<bool>,
    waiting: RefCell<Vec<Waker>>,
}

impl Gate {
    pub(super) fn shut(&self) {
        self.shut.set(true);
    }

    /// Lets everyone through who waits, in the order in which they came.
    pub(super) fn open(&self) {
        self.shut.set(false);
        self.waiting.take().into_iter().for_each(Waker::wake);
    }

    /// Waits while the gate is shut.
    pub(super) async fn pass(&self) {
        poll_fn(|context| {
            if !self.shut.get() {
                return Poll::Ready(());
            }
            self.waiting.borrow_mut().push(context.waker().clone());
            Poll::Pending
        })
        .await;
    }
}

/// Runs a future to its end; `None` when it panicked. The runtime would let the panic take the
/// whole core with it.
pub(super) async fn caught<T>(future: impl Future<Output = T>) -> Option<T> {
    let mut future = pin!(future);
    poll_fn(|context| match catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(context))) {
        Ok(poll) => poll.map(Some),
        Err(_) => Poll::Ready(None),
    })
    .await
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::future::{pending, ready};
    use std::rc::Rc;
    use std::task::Context;

    #[test]
    fn a_raised_flag_ends_the_wait_once() {
        let flag = Rc::new(Flag::default());
        let mut context = Context::from_waker(Waker::noop());
        {
            let mut wait = pin!(flag.or(pending::<()>()));
            assert!(wait.as_mut().poll(&mut context).is_pending());
            flag.raise();
            assert_eq!(wait.as_mut().poll(&mut context), Poll::Ready(None));
        }
        assert!(pin!(flag.take()).poll(&mut context).is_ready());
        assert!(!flag.is_raised());
        assert_eq!(pin!(flag.or(ready(7))).poll(&mut context), Poll::Ready(Some(7)));
    }

    #[test]
    fn a_panic_ends_its_own_future_only() {
        let mut context = Context::from_waker(Waker::noop());
        let quiet = std::panic::take_hook();
        std::panic::set_hook(Box::new(|_| {}));
        let result = pin!(caught(async { panic!("planted") })).poll(&mut context);
        std::panic::set_hook(quiet);
        assert_eq!(result, Poll::Ready(None::<()>));
        assert_eq!(pin!(caught(ready(1))).poll(&mut context), Poll::Ready(Some(1)));
    }
}
