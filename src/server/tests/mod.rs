//! Tests over several modules: the machines in virtual time, and a few real sockets.

mod commands;
mod control;
mod control_voice;
mod gateway;
mod interactions;
mod limits;
mod messages;
mod pins;
mod rig;
mod sockets;
mod voice;
