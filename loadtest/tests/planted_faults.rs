//! Whole runs against a small Fluid service in this process, honest or with one planted fault.
//! Every fault must be reported; the honest service must pass.

#![allow(clippy::unwrap_used, reason = "a failed step of the stub is a failed test")]

use levee_loadtest::report::Report;
use levee_loadtest::run::{self, Service};
use levee_loadtest::scenario::Scenario;
use levee_loadtest::session::Target;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

/// What the service does wrong, from its `AT`th op on.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Fault {
    None,
    SkipsANumber,
    RepeatsAnOp,
    SwapsForOneReceiver,
    ChangesContents,
    LosesAnOp,
    Nacks,
    Disconnects,
}

/// The op that the fault strikes.
const AT: u64 = 40;

/// One document, everybody in it.
struct State {
    fault: Fault,
    sequence: u64,
    ops: u64,
    sockets: Vec<TcpStream>,
    held: Option<String>,
}

impl State {
    fn broadcast(&mut self, event: &str) {
        for socket in &mut self.sockets {
            let _ = socket.write_all(&frame(event));
        }
    }

    fn send_to(&mut self, receiver: usize, event: &str) {
        let _ = self.sockets[receiver].write_all(&frame(event));
    }

    fn join(&mut self, client: &str) {
        self.sequence += 1;
        let data = format!(r#"{{\"clientId\":\"{client}\"}}"#);
        let event = self.op("null", -1, -1, "null", &format!(r#""type":"join","data":"{data}""#));
        self.broadcast(&event);
    }

    fn op(&self, client: &str, csn: i64, rsn: i64, contents: &str, kind: &str) -> String {
        let sequence = self.sequence;
        [
            format!(r#"42["op","d",[{{"clientId":{client},"clientSequenceNumber":{csn},"#),
            format!(r#""contents":{contents},"minimumSequenceNumber":0,"#),
            format!(r#""referenceSequenceNumber":{rsn},"sequenceNumber":{sequence},"#),
            format!(r#""timestamp":1,{kind}}}]]"#),
        ]
        .concat()
    }

    fn submit(&mut self, socket: usize, client: &str, op: &serde_json::Value) {
        self.ops += 1;
        let strikes = self.ops == AT;
        let csn = op["clientSequenceNumber"].as_i64().unwrap();
        let mut contents = op["contents"].to_string();
        let fault = if strikes { self.fault } else { Fault::None };
        match fault {
            Fault::SkipsANumber => self.sequence += 1,
            Fault::ChangesContents => contents = contents.replace('#', "+"),
            Fault::LosesAnOp => return,
            Fault::Nacks => {
                let content = r#"{"code":429,"type":"ThrottlingError","message":"slow down"}"#;
                let nack = format!(r#"42["nack","d",[{{"content":{content}}}]]"#);
                return self.send_to(socket, &nack);
            }
            Fault::Disconnects => {
                return drop(self.sockets[socket].shutdown(std::net::Shutdown::Both));
            }
            Fault::None | Fault::RepeatsAnOp | Fault::SwapsForOneReceiver => {}
        }
        self.sequence += 1;
        let client = format!("\"{client}\"");
        let event = self.op(&client, csn, 1, &contents, r#""type":"op""#);
        if fault == Fault::SwapsForOneReceiver {
            // Receiver 0 gets this op after the next one.
            (1..self.sockets.len()).for_each(|receiver| self.send_to(receiver, &event));
            self.held = Some(event);
            return;
        }
        self.broadcast(&event);
        if fault == Fault::RepeatsAnOp {
            self.send_to(0, &event);
        }
        if let Some(held) = self.held.take() {
            self.send_to(0, &held);
        }
    }
}

fn frame(text: &str) -> Vec<u8> {
    let mut bytes = vec![0x81, 127];
    bytes.extend_from_slice(&(text.len() as u64).to_be_bytes());
    bytes.extend_from_slice(text.as_bytes());
    bytes
}

fn read_frame(socket: &mut TcpStream) -> Option<(u8, String)> {
    let mut head = [0; 2];
    socket.read_exact(&mut head).ok()?;
    let mut length = usize::from(head[1] & 0x7f);
    if length == 126 {
        let mut long = [0; 2];
        socket.read_exact(&mut long).ok()?;
        length = usize::from(u16::from_be_bytes(long));
    }
    let mut mask = [0; 4];
    socket.read_exact(&mut mask).ok()?;
    let mut payload = vec![0; length];
    socket.read_exact(&mut payload).ok()?;
    payload.iter_mut().zip(mask.iter().cycle()).for_each(|(byte, key)| *byte ^= key);
    Some((head[0] & 0x0f, String::from_utf8(payload).ok()?))
}

fn read_head(socket: &mut TcpStream) -> Option<String> {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") {
        socket.read_exact(&mut byte).ok()?;
        head.push(byte[0]);
    }
    String::from_utf8(head).ok()
}

fn serve(mut socket: TcpStream, state: &Mutex<State>) -> Option<()> {
    let head = read_head(&mut socket)?;
    if head.starts_with("POST /documents/") {
        let answer = "HTTP/1.1 201 Created\r\ncontent-length: 3\r\n\r\n\"d\"";
        return socket.write_all(answer.as_bytes()).ok();
    }
    let upgraded = "HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\n\
                    sec-websocket-accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";
    socket.write_all(upgraded.as_bytes()).ok()?;
    socket.write_all(&frame(r#"0{"sid":"x"}"#)).ok()?;
    let (mut place, mut client) = (0, String::new());
    while let Some((opcode, text)) = read_frame(&mut socket) {
        if opcode == 8 {
            return socket.write_all(&[0x88, 0]).ok();
        }
        if text == "40" {
            socket.write_all(&frame(r#"40{"sid":"y"}"#)).ok()?;
        }
        let Some(event) = text.strip_prefix("42") else {
            continue;
        };
        let event: serde_json::Value = serde_json::from_str(event).ok()?;
        let mut state = state.lock().unwrap();
        if event[0] == "connect_document" {
            place = state.sockets.len();
            client = format!("client-{place}");
            state.sockets.push(socket.try_clone().ok()?);
            let success = format!(r#"42["connect_document_success",{{"clientId":"{client}"}}]"#);
            state.send_to(place, &success);
            state.join(&client);
        } else {
            for op in event[2][0].as_array()? {
                state.submit(place, &client, op);
            }
        }
    }
    Some(())
}

fn start(fault: Fault) -> SocketAddr {
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let host = listener.local_addr().unwrap();
    let state = State { fault, sequence: 0, ops: 0, sockets: Vec::new(), held: None };
    let state = Arc::new(Mutex::new(state));
    thread::spawn(move || {
        for socket in listener.incoming() {
            let (socket, state) = (socket.unwrap(), Arc::clone(&state));
            thread::spawn(move || serve(socket, &state));
        }
    });
    host
}

fn run_against(fault: Fault) -> Report {
    let scenario = r#"
        name = "planted"
        kind = "ops"
        clients_per_document = 3
        load = { loop = "closed", window = 2 }
        warmup_s = 0
        seconds = 1
        setup_limit_s = 10
        drain_limit_s = 1
    "#;
    let scenario: Scenario = toml::from_str(scenario).unwrap();
    scenario.check().unwrap();
    let (tenant, key) = ("t".to_owned(), "k".to_owned());
    let target = Target { host: start(fault), tenant, key };
    run::run(&scenario, &Service { name: "stub".to_owned(), target, pid: None }).unwrap()
}

#[test]
fn an_honest_service_passes() {
    let report = run_against(Fault::None);
    assert_eq!(report.faults, [""; 0]);
    assert!(report.own.is_some_and(|own| own.count > 0));
    assert!(report.others.is_some_and(|others| others.count > 0));
}

#[test]
fn every_planted_fault_is_reported() {
    let expected = [
        (Fault::SkipsANumber, "expected sequence number"),
        (Fault::RepeatsAnOp, "expected sequence number"),
        (Fault::SwapsForOneReceiver, "expected sequence number"),
        (Fault::ChangesContents, "other contents"),
        (Fault::LosesAnOp, "author's op"),
        (Fault::Nacks, "slow down"),
        (Fault::Disconnects, "ended the session"),
    ];
    for (fault, text) in expected {
        let report = run_against(fault);
        let found = report.faults.iter().any(|reported| reported.contains(text));
        assert!(found, "{fault:?}: {:?}", report.faults);
    }
}
