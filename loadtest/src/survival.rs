//! What is left, after `kill -9` under load, of the ops that clients had seen come back.

use crate::http::{Caller, Credential, HttpError};
use crate::scenario::{Kind, Scenario};
use crate::session::{Session, SessionError, Target};
use crate::token::Signer;
use serde::Deserialize;
use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command};
use std::time::{Duration, Instant};
use thiserror::Error;

/// How long a service may take to listen.
const START_LIMIT: Duration = Duration::from_secs(60);
const NOBODY: Credential<'_> = Credential::Orderer("");
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// Why it could not be found out.
#[derive(Debug, Error)]
pub enum SurvivalError {
    #[error(transparent)]
    Session(#[from] SessionError),
    #[error("reading back: {0}")]
    Http(#[from] HttpError),
    #[error("system: {0}")]
    Io(#[from] io::Error),
    #[error("nobody answers on {0}")]
    NoAnswer(SocketAddr),
    #[error("only a scenario of ops leaves something to be lost")]
    NotOps,
    #[error("before the kill: {0}")]
    Fault(Box<str>),
    #[error("/deltas has another form than the contract says")]
    Form,
}

/// What one kill cost.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Survival {
    /// Ops that had come back to some client before the kill.
    pub acknowledged: u64,
    /// Those of them that `/deltas` has no more.
    pub lost: u64,
}

impl fmt::Display for Survival {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { acknowledged, lost } = self;
        write!(out, "{lost} of {acknowledged} acknowledged ops lost by kill -9")
    }
}

/// A service that this process has started; killed when it is dropped.
struct Running(Child);

impl Running {
    /// Starts a script of `loadtest/peers`, which becomes the service, and waits until it listens.
    fn start(
        script: &Path,
        host: SocketAddr,
        cpu: usize,
        keeps_data: bool,
    ) -> Result<Self, SurvivalError> {
        let mut command = Command::new(script);
        command.arg(host.port().to_string()).arg(cpu.to_string());
        if keeps_data {
            command.env("KEEP", "1");
        }
        let running = Self(command.spawn()?);
        let deadline = Instant::now() + START_LIMIT;
        while !answers(host) {
            if Instant::now() > deadline {
                return Err(SurvivalError::NoAnswer(host));
            }
            std::thread::sleep(LOOK_EVERY);
        }
        Ok(running)
    }
}

/// Whether somebody answers, whatever it is. That a connect succeeds says less: the system may not
/// be done yet with the sockets of a process that was killed.
fn answers(host: SocketAddr) -> bool {
    let answer = Caller::connect(host).and_then(|mut caller| caller.call("GET", "/", NOBODY, None));
    matches!(answer, Ok(_) | Err(HttpError::Status { .. }))
}

impl Drop for Running {
    /// `kill -9`, and the wait for the end; it may have ended before.
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Starts a service on data of its own, lets the scenario work for its time, kills the service in
/// the middle of that, starts it again on what it has kept, and reads every document back.
///
/// # Errors
/// The service does not start, or does something wrong before the kill.
pub fn measure(
    scenario: &Scenario,
    target: &Target,
    script: &Path,
    cpu: usize,
) -> Result<Survival, SurvivalError> {
    if scenario.kind != Kind::Ops {
        return Err(SurvivalError::NotOps);
    }
    let running = Running::start(script, target.host, cpu, false)?;
    let mut session = Session::prepare(scenario, target)?;
    session.connect_all()?;
    session.start_load(None);
    session.work(Duration::from_secs(u64::from(scenario.seconds)), |_| false)?;
    drop(running);
    if let Some(fault) = session.faults.first() {
        return Err(SurvivalError::Fault(fault.as_str().into()));
    }
    let _again = Running::start(script, target.host, cpu, true)?;
    let mut survival = Survival::default();
    for (index, document) in session.room.documents().iter().enumerate() {
        let id = session.room.document_id(index);
        let kept = kept_ops(target.host, &session.room.signer, id, document.head())?;
        survival.acknowledged += document.sequenced_ops();
        survival.lost += document.sequenced_ops().saturating_sub(kept);
    }
    Ok(survival)
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Kept<'a> {
    sequence_number: u64,
    r#type: &'a str,
}

/// How many clients' ops a document has up to `head`.
fn kept_ops(
    host: SocketAddr,
    signer: &Signer,
    document: &str,
    head: u64,
) -> Result<u64, SurvivalError> {
    let mut caller = Caller::connect(host)?;
    let (mut last, mut kept) = (0, 0);
    while last < head {
        let to = head.min(last + 2_000) + 1; // both bounds are exclusive
        let path = format!("/deltas/{}/{document}?from={last}&to={to}", signer.tenant());
        let page = match caller.get_as(signer, document, &path) {
            // Gone is gone, whatever the service calls it.
            Err(HttpError::Status { .. }) => break,
            page => page?,
        };
        let ops: Vec<Kept<'_>> = serde_json::from_slice(&page).map_err(|_| SurvivalError::Form)?;
        let Some(newest) = ops.last() else { break };
        if newest.sequence_number <= last {
            return Err(SurvivalError::Form);
        }
        last = newest.sequence_number;
        kept += ops.iter().filter(|op| op.r#type == "op").count() as u64;
    }
    Ok(kept)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_loss_is_said_in_numbers() {
        let survival = Survival { acknowledged: 120, lost: 7 };
        assert_eq!(survival.to_string(), "7 of 120 acknowledged ops lost by kill -9");
    }
}
