//! The body of a request on its way to a handler, which notes when somebody waits for the client.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use hyper::body::{Body, Frame, Incoming, SizeHint};

use super::pulse::Pulse;

/// A body that tells its connection's pulse while more of it is waited for.
pub struct Awaited {
    body: Incoming,
    pulse: Arc<Pulse>,
}

impl Awaited {
    /// The body of a request on the connection.
    pub fn new(body: Incoming, pulse: Arc<Pulse>) -> Self {
        Self { body, pulse }
    }
}

impl Body for Awaited {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        let this = self.get_mut();
        let frame = Pin::new(&mut this.body).poll_frame(cx);
        this.pulse.want_body(frame.is_pending());
        frame
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl Drop for Awaited {
    fn drop(&mut self) {
        self.pulse.want_body(false);
    }
}
