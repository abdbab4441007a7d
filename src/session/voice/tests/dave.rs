//! End-to-end encryption of sessions among themselves, around a scripted gateway.
//!
//! What a session says is compared as a whole and in order: messages by opcode, keys as `hear 2 in 5`
//! (the frames of user 2, epoch 5) and `send in 5`.

mod call;
mod changes;
mod fuzz;
mod gateway;
mod joining;
mod rig;
mod timing;
mod trouble;
