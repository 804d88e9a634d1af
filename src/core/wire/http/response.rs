//! Response heads.

use super::Method;
use crate::wire::json::write_u64;
use crate::wire::websocket::accept_key;

/// Everything of an answer but its body.
#[derive(Debug, Clone, Copy)]
pub struct ResponseHead<'a> {
    /// The status code.
    pub status: u16,
    /// The body's type; none for an empty body.
    pub content_type: Option<&'a str>,
    /// Whether the connection stays open.
    pub keep_alive: bool,
    /// Further headers (CORS, `location`, …), names in lower case.
    pub headers: &'a [(&'a str, &'a str)],
}

impl ResponseHead<'_> {
    /// Appends the head for a body of `body_bytes`.
    pub fn write(&self, out: &mut Vec<u8>, body_bytes: usize) {
        status_line(out, self.status);
        if let Some(content_type) = self.content_type {
            header(out, "content-type", content_type);
        }
        // 1xx, 204 and 304 have no body, so no length of one either.
        if self.status >= 200 && self.status != 204 && self.status != 304 {
            out.extend_from_slice(b"content-length: ");
            write_u64(out, body_bytes as u64);
            out.extend_from_slice(b"\r\n");
        }
        header(out, "connection", if self.keep_alive { "keep-alive" } else { "close" });
        for (name, value) in self.headers {
            header(out, name, value);
        }
        out.extend_from_slice(b"\r\n");
    }
}

/// Appends a whole answer. `HEAD` gets the length of the body but not the body.
pub fn respond(out: &mut Vec<u8>, method: Method, head: &ResponseHead<'_>, body: &[u8]) {
    head.write(out, body.len());
    if method != Method::Head && head.status != 204 && head.status != 304 {
        out.extend_from_slice(body);
    }
}

/// Appends the go-ahead for a client that sent `Expect: 100-continue`.
pub fn continue_head(out: &mut Vec<u8>) {
    out.extend_from_slice(b"HTTP/1.1 100 Continue\r\n\r\n");
}

/// Appends the answer that turns the connection into a WebSocket.
pub fn switching_protocols(out: &mut Vec<u8>, websocket_key: &str) {
    status_line(out, 101);
    out.extend_from_slice(b"upgrade: websocket\r\nconnection: Upgrade\r\nsec-websocket-accept: ");
    out.extend_from_slice(&accept_key(websocket_key));
    out.extend_from_slice(b"\r\n\r\n");
}

fn status_line(out: &mut Vec<u8>, status: u16) {
    out.extend_from_slice(b"HTTP/1.1 ");
    write_u64(out, u64::from(status));
    out.push(b' ');
    out.extend_from_slice(reason(status).as_bytes());
    out.extend_from_slice(b"\r\n");
}

/// A header value may repeat what a client sent, so line ends are left out of it.
fn header(out: &mut Vec<u8>, name: &str, value: &str) {
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b": ");
    out.extend(value.bytes().filter(|byte| !matches!(byte, b'\r' | b'\n' | 0)));
    out.extend_from_slice(b"\r\n");
}

/// The phrase that goes with a status; empty for one that is never sent.
pub fn reason(status: u16) -> &'static str {
    match status {
        100 => "Continue",
        101 => "Switching Protocols",
        200 => "OK",
        201 => "Created",
        202 => "Accepted",
        204 => "No Content",
        301 => "Moved Permanently",
        302 => "Found",
        304 => "Not Modified",
        307 => "Temporary Redirect",
        400 => "Bad Request",
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        406 => "Not Acceptable",
        408 => "Request Timeout",
        409 => "Conflict",
        413 => "Content Too Large",
        415 => "Unsupported Media Type",
        417 => "Expectation Failed",
        422 => "Unprocessable Content",
        426 => "Upgrade Required",
        429 => "Too Many Requests",
        431 => "Request Header Fields Too Large",
        500 => "Internal Server Error",
        501 => "Not Implemented",
        502 => "Bad Gateway",
        503 => "Service Unavailable",
        504 => "Gateway Timeout",
        505 => "HTTP Version Not Supported",
        _ => "",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(method: Method, head: &ResponseHead<'_>, body: &str) -> String {
        let mut out = Vec::new();
        respond(&mut out, method, head, body.as_bytes());
        String::from_utf8(out).unwrap()
    }

    const OK: ResponseHead<'_> = ResponseHead {
        status: 200,
        content_type: Some("application/json"),
        keep_alive: true,
        headers: &[("access-control-allow-origin", "*")],
    };

    #[test]
    fn heads() {
        let head = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\
            connection: keep-alive\r\naccess-control-allow-origin: *\r\n\r\n";
        assert_eq!(text(Method::Get, &OK, "{}"), format!("{head}{{}}"));
        assert_eq!(text(Method::Head, &OK, "{}"), head);
        let none =
            ResponseHead { status: 204, content_type: None, keep_alive: false, headers: &[] };
        assert_eq!(
            text(Method::Options, &none, ""),
            "HTTP/1.1 204 No Content\r\nconnection: close\r\n\r\n"
        );
    }

    #[test]
    fn values_cannot_add_headers() {
        let headers = [("x-request-id", "a\r\nset-cookie: b\0")];
        let answer = text(Method::Get, &ResponseHead { headers: &headers, ..OK }, "");
        assert!(answer.contains("x-request-id: aset-cookie: b\r\n"));
    }

    #[test]
    fn switching() {
        let mut out = Vec::new();
        switching_protocols(&mut out, "dGhlIHNhbXBsZSBub25jZQ==");
        assert_eq!(
            String::from_utf8(out).unwrap(),
            "HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: Upgrade\r\n\
             sec-websocket-accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n"
        );
    }

    #[test]
    fn every_status_in_use_has_its_phrase() {
        for status in [400, 413, 417, 426, 431, 501, 505] {
            assert_ne!(reason(status), "");
        }
    }
}
