//! A small HTTP/1.1 client: requests in the Fluid drivers' envelope, answers by content length.

use crate::token::Signer;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use std::io::{self, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::ops::Range;
use std::time::Duration;
use thiserror::Error;

/// How long a blocking call (only used outside measurements) waits for the service.
const CALL_TIMEOUT: Duration = Duration::from_secs(30);
/// Largest answer accepted.
const MAX_ANSWER_BYTES: usize = 64 << 20;

/// Why a REST call has no usable answer.
#[derive(Debug, Error)]
pub enum HttpError {
    #[error("connection: {0}")]
    Io(#[from] io::Error),
    #[error("the service closed the connection inside an answer")]
    Closed,
    #[error("the answer is not HTTP/1.1 with a content length")]
    Answer,
    #[error("status {status} for {path}")]
    Status { status: u16, path: Box<str> },
    #[error("the answer of {path} changed while nothing was written")]
    Changed { path: Box<str> },
}

/// Where an answer's parts lie in a receive buffer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    pub status: u16,
    pub body: Range<usize>,
}

/// Finds a whole answer at the start of `buffer`, `None` if more must come.
///
/// # Errors
/// The head is not HTTP/1.1, or states no length.
pub fn find_answer(buffer: &[u8]) -> Result<Option<Answer>, HttpError> {
    let Some(end) = memchr::memmem::find(buffer, b"\r\n\r\n") else {
        return Ok(None);
    };
    let head = std::str::from_utf8(&buffer[..end]).map_err(|_| HttpError::Answer)?;
    let mut lines = head.split("\r\n");
    let status = lines.next().and_then(|line| line.strip_prefix("HTTP/1.1 "));
    let status = status.and_then(|rest| rest.get(..3)?.parse().ok()).ok_or(HttpError::Answer)?;
    let length = lines.find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse::<usize>().ok())?
    });
    let bodiless = status == 101 || status == 204 || status == 304;
    let length = if bodiless { 0 } else { length.ok_or(HttpError::Answer)? };
    if length > MAX_ANSWER_BYTES {
        return Err(HttpError::Answer);
    }
    let body = end + 4..end + 4 + length;
    Ok((buffer.len() >= body.end).then_some(Answer { status, body }))
}

/// The authorization of one call.
#[derive(Clone, Copy, Debug)]
pub enum Credential<'a> {
    /// `/documents` and `/deltas`: the bare token.
    Orderer(&'a str),
    /// `/repos`: tenant and token, as a user and a password.
    Storage { tenant: &'a str, token: &'a str },
}

/// A request as the official drivers send it: whatever its method, a POST whose form fields carry
/// method, headers and body.
#[must_use]
pub fn restless(
    host: SocketAddr,
    method: &str,
    path: &str,
    credential: Credential<'_>,
    body: Option<&str>,
) -> Vec<u8> {
    let authorization = match credential {
        Credential::Orderer(token) => token.to_owned(),
        Credential::Storage { tenant, token } => STANDARD.encode(format!("{tenant}:{token}")),
    };
    let mut form = format!("method={method}&header=x-driver-version%3A+2.111.0&header=");
    encode_component(&mut form, &format!("Authorization: Basic {authorization}"));
    if let Some(body) = body {
        form.push_str("&body=");
        encode_component(&mut form, body);
    }
    format!(
        "POST {path} HTTP/1.1\r\nhost: {host}\r\nconnection: keep-alive\r\naccept: */*\r\n\
         content-type: application/x-www-form-urlencoded;restless\r\ncontent-length: {}\r\n\r\n\
         {form}",
        form.len()
    )
    .into_bytes()
}

fn encode_component(out: &mut String, text: &str) {
    const HEX: &[u8; 16] = b"0123456789ABCDEF";
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'*' => {
                out.push(byte as char);
            }
            b' ' => out.push('+'),
            other => {
                out.push('%');
                out.push(HEX[usize::from(other >> 4)] as char);
                out.push(HEX[usize::from(other & 15)] as char);
            }
        }
    }
}

/// One keep-alive connection for calls outside measurements.
pub struct Caller {
    stream: TcpStream,
    host: SocketAddr,
    buffer: Vec<u8>,
}

impl Caller {
    /// Connects to the service.
    ///
    /// # Errors
    /// The service does not accept.
    pub fn connect(host: SocketAddr) -> Result<Self, HttpError> {
        let stream = TcpStream::connect_timeout(&host, CALL_TIMEOUT)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(CALL_TIMEOUT))?;
        stream.set_write_timeout(Some(CALL_TIMEOUT))?;
        Ok(Self { stream, host, buffer: Vec::new() })
    }

    /// Sends one request and answers the body of its answer, which must be a success.
    ///
    /// # Errors
    /// No answer in time, one that is not HTTP, or one that is no success.
    pub fn call(
        &mut self,
        method: &str,
        path: &str,
        credential: Credential<'_>,
        body: Option<&str>,
    ) -> Result<Vec<u8>, HttpError> {
        let request = restless(self.host, method, path, credential, body);
        self.stream.write_all(&request)?;
        self.buffer.clear();
        let mut chunk = [0; 16 << 10];
        loop {
            if let Some(answer) = find_answer(&self.buffer)? {
                if !(200..300).contains(&answer.status) {
                    return Err(HttpError::Status { status: answer.status, path: path.into() });
                }
                return Ok(self.buffer[answer.body].to_vec());
            }
            match self.stream.read(&mut chunk)? {
                0 => return Err(HttpError::Closed),
                count => self.buffer.extend_from_slice(&chunk[..count]),
            }
        }
    }

    /// Calls as one user of one document.
    ///
    /// # Errors
    /// As [`Caller::call`].
    pub fn get_as(
        &mut self,
        signer: &Signer,
        document: &str,
        path: &str,
    ) -> Result<Vec<u8>, HttpError> {
        let token = signer.token(document, "loader");
        self.call("GET", path, credential_for(path, signer.tenant(), &token), None)
    }
}

/// The form of authorization that a path asks for.
#[must_use]
pub fn credential_for<'a>(path: &str, tenant: &'a str, token: &'a str) -> Credential<'a> {
    if path.starts_with("/repos/") {
        Credential::Storage { tenant, token }
    } else {
        Credential::Orderer(token)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_found_when_whole() {
        let bytes = b"HTTP/1.1 201 Created\r\nContent-Length: 3\r\nx: y\r\n\r\n\"a\"rest";
        for cut in 0..bytes.len() - 4 {
            assert!(find_answer(&bytes[..cut]).unwrap().is_none());
        }
        let answer = find_answer(bytes).unwrap().unwrap();
        assert_eq!((answer.status, &bytes[answer.body]), (201, &b"\"a\""[..]));
        assert!(find_answer(b"HTTP/1.1 200 OK\r\n\r\n").is_err());
        assert!(find_answer(b"SSH-2.0\r\n\r\n").is_err());
    }

    #[test]
    fn the_envelope_carries_method_headers_and_body() {
        let host = SocketAddr::from(([127, 0, 0, 1], 7070));
        let credential = Credential::Storage { tenant: "t", token: "x" };
        let request = restless(host, "GET", "/p?q=1", credential, Some("{\"a\": 1}"));
        let text = String::from_utf8(request).unwrap();
        assert!(text.starts_with("POST /p?q=1 HTTP/1.1\r\nhost: 127.0.0.1:7070\r\n"));
        let form = text.split_once("\r\n\r\n").unwrap().1;
        assert_eq!(
            form,
            "method=GET&header=x-driver-version%3A+2.111.0&header=Authorization%3A+Basic+dDp4\
             &body=%7B%22a%22%3A+1%7D"
        );
        assert!(text.contains(&format!("content-length: {}\r\n", form.len())));
    }
}
