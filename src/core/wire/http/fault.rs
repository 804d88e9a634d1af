//! What is wrong with a request, and the status that says so.

/// Why a request cannot be read. After any of these the connection is closed, because where the
/// next request would begin is not known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum HttpFault {
    /// Not `METHOD target HTTP/1.x`.
    #[error("bad request line")]
    BadRequestLine,
    /// Neither a path nor an absolute URL.
    #[error("bad request target")]
    BadTarget,
    /// A header line that is malformed, folded, or holds bytes that its value may not.
    #[error("bad header")]
    BadHeader,
    /// No `Host`, or several.
    #[error("bad host header")]
    BadHost,
    /// Not one number.
    #[error("bad content length")]
    BadContentLength,
    /// `Content-Length` and `Transfer-Encoding` together: request smuggling.
    #[error("content length beside chunks")]
    LengthBesideChunks,
    /// A chunk that is malformed or whose line is too long.
    #[error("bad chunk")]
    BadChunk,
    /// An upgrade without a usable `Sec-WebSocket-Key`.
    #[error("bad websocket key")]
    BadWebSocketKey,
    /// A body above the limit.
    #[error("body too large")]
    BodyTooLarge,
    /// `Expect` of something else than `100-continue`.
    #[error("unknown expectation")]
    UnknownExpectation,
    /// A WebSocket version other than 13; the answer names 13.
    #[error("unknown websocket version")]
    WebSocketVersion,
    /// Request line and headers above the limit, or too many headers.
    #[error("request head too large")]
    HeadTooLarge,
    /// A method that no route has.
    #[error("unknown method")]
    UnknownMethod,
    /// A transfer encoding other than `chunked`.
    #[error("unknown transfer encoding")]
    UnknownTransferEncoding,
    /// Not HTTP/1.
    #[error("unsupported HTTP version")]
    BadVersion,
}

impl HttpFault {
    /// The status of the answer.
    pub fn status(self) -> u16 {
        match self {
            Self::BadRequestLine
            | Self::BadTarget
            | Self::BadHeader
            | Self::BadHost
            | Self::BadContentLength
            | Self::LengthBesideChunks
            | Self::BadChunk
            | Self::BadWebSocketKey => 400,
            Self::BodyTooLarge => 413,
            Self::UnknownExpectation => 417,
            Self::WebSocketVersion => 426,
            Self::HeadTooLarge => 431,
            Self::UnknownMethod | Self::UnknownTransferEncoding => 501,
            Self::BadVersion => 505,
        }
    }
}
