//! Process tests: the real binary on loopback, on a disk, under everything that can happen to a
//! process. Nothing here depends on speed; every wait has an end.

mod api;
mod captures;
mod checker;
mod client;
mod commands;
mod cores;
mod deletion;
mod disk;
mod ends;
mod faults;
mod floods;
mod frames;
mod idle;
mod kill;
mod limits;
mod load;
mod mangled;
mod ops;
mod people;
mod provider;
mod proxy;
mod random;
mod requests;
mod rest;
mod secrets;
mod service;
mod shapes;
mod sign_in;
mod socket;
mod survival;
mod tenants;
mod token;
mod tokens;
mod wire;
mod witness;
