//! The bytes of a connection: TCP or a Unix socket, in the clear or under TLS, with every move noted in its pulse.
//!
//! One type for all of them, so that HTTP is compiled once; which one it is costs a branch per system call.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpStream, UnixStream};
use tokio_rustls::server::TlsStream;

use super::pulse::Pulse;

/// An accepted socket.
pub enum Socket {
    /// From somewhere.
    Tcp(TcpStream),
    /// From this machine.
    Unix(UnixStream),
}

/// A socket whose moves are noted, below TLS: what counts is what the peer really sends and takes.
pub struct Watched {
    socket: Socket,
    pulse: Arc<Pulse>,
}

impl Watched {
    /// Begins to note.
    pub fn new(socket: Socket, pulse: Arc<Pulse>) -> Self {
        Self { socket, pulse }
    }

    fn note(&self, moved: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        match &moved {
            Poll::Ready(Ok(count)) => self.pulse.wrote(Some(*count)),
            Poll::Ready(Err(_)) => {}
            Poll::Pending => self.pulse.wrote(None),
        }
        moved
    }
}

/// Calls the method of whichever socket it is.
macro_rules! either {
    ($socket:expr, $stream:ident => $call:expr) => {
        match $socket {
            Socket::Tcp($stream) => $call,
            Socket::Unix($stream) => $call,
        }
    };
}

impl AsyncRead for Watched {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = buf.filled().len();
        let read = either!(&mut this.socket, stream => Pin::new(stream).poll_read(cx, buf));
        let count = buf.filled().len() - before;
        if count > 0 {
            this.pulse.read(count);
        }
        read
    }
}

impl AsyncWrite for Watched {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let moved = either!(&mut this.socket, stream => Pin::new(stream).poll_write(cx, bytes));
        this.note(moved)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let moved = either!(&mut this.socket, stream => Pin::new(stream).poll_write_vectored(cx, slices));
        this.note(moved)
    }

    fn is_write_vectored(&self) -> bool {
        either!(&self.socket, stream => stream.is_write_vectored())
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        either!(&mut self.get_mut().socket, stream => Pin::new(stream).poll_flush(cx))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        either!(&mut self.get_mut().socket, stream => Pin::new(stream).poll_shutdown(cx))
    }
}

/// What HTTP is spoken over.
pub enum Stream {
    /// In the clear.
    Plain(Watched),
    /// Under TLS; boxed because it is large.
    Tls(Box<TlsStream<Watched>>),
}

macro_rules! inner {
    ($stream:expr, $inner:ident => $call:expr) => {
        match $stream {
            Stream::Plain($inner) => $call,
            Stream::Tls($inner) => $call,
        }
    };
}

impl AsyncRead for Stream {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        inner!(self.get_mut(), stream => Pin::new(stream).poll_read(cx, buf))
    }
}

impl AsyncWrite for Stream {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        inner!(self.get_mut(), stream => Pin::new(stream).poll_write(cx, bytes))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        inner!(self.get_mut(), stream => Pin::new(stream).poll_write_vectored(cx, slices))
    }

    fn is_write_vectored(&self) -> bool {
        inner!(self, stream => stream.is_write_vectored())
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        inner!(self.get_mut(), stream => Pin::new(stream).poll_flush(cx))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        inner!(self.get_mut(), stream => Pin::new(stream).poll_shutdown(cx))
    }
}
