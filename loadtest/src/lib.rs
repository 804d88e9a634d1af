//! A load tester for any Fluid service over Socket.IO. It verifies while it measures.
//!
//! One thread, one epoll loop, no runtime: it has to be cheaper than what it measures. From the
//! outside in: [`compare`] and [`ramp`] repeat a [`run`], which drives a [`session`] of many
//! [`client`]s, whose receptions are counted in a [`room`] and verified by [`check`].

pub mod capacity;
pub mod check;
pub mod client;
pub mod coldload;
pub mod compare;
pub mod http;
pub mod net;
pub mod pace;
pub mod process;
pub mod ramp;
pub mod report;
pub mod rest;
pub mod room;
pub mod run;
pub mod scan;
pub mod scenario;
pub mod session;
pub mod survival;
pub mod sys;
pub mod token;
pub mod ws;
