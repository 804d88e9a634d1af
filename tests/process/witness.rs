//! Two well-behaved clients on one document, one of each wire: after whatever the service has been
//! put through, they must still be served.

use crate::client::Client;
use crate::rest;
use crate::service::Service;
use crate::wire::{BOTH, Wire};
use std::time::{Duration, Instant};

/// A client that says nothing for longer may be taken for dead, as it should be.
const SILENCE_MAX: Duration = Duration::from_secs(20);

pub(crate) struct Witness {
    document: String,
    fluid: Client,
    levee: Client,
    edits: usize,
    checked: Instant,
}

impl Witness {
    pub(crate) fn new(service: &Service, document: &str) -> Self {
        rest::create(service.address, document);
        Self {
            document: document.into(),
            fluid: Client::connect(service.address, Wire::Fluid, document),
            levee: Client::connect(service.address, Wire::Levee, document),
            edits: 0,
            checked: Instant::now(),
        }
    }

    /// Each edits and sees the other's edit; REST answers; a new client can connect; the process
    /// lives and has not panicked.
    pub(crate) fn check(&mut self, service: &mut Service) {
        service.assert_alive();
        if self.checked.elapsed() > SILENCE_MAX {
            self.fluid = Client::connect(service.address, Wire::Fluid, &self.document);
            self.levee = Client::connect(service.address, Wire::Levee, &self.document);
        }
        self.edits += 1;
        let contents = format!("edit {}", self.edits);
        self.fluid.edit(&contents);
        self.levee.edit(&contents);
        let head = self.levee.seen();
        self.fluid.catch_up(head);
        for wire in BOTH {
            let ops = rest::deltas_page(service.address, wire, &self.document, head - 1);
            assert_eq!(ops.first().map(|op| op.seq), Some(head));
        }
        for wire in BOTH {
            let client = Client::connect_to_read(service.address, wire, &self.document);
            client.cut();
        }
        assert!(self.fluid.nacks.is_empty() && self.levee.nacks.is_empty());
        service.assert_alive();
        self.checked = Instant::now();
    }
}
