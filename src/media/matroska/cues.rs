//! Where clusters are without looking for them: the index of Matroska (RFC 9559 section 5.1.5), which
//! a list at the beginning points to (section 5.1.1).

use std::io::{Read, Seek};

use super::{Cluster, Element, Scan};
use crate::limits::MAX_BOXES;

const SEEK: u32 = 0x4DBB;
const SEEK_ID: u32 = 0x53AB;
const SEEK_POSITION: u32 = 0x53AC;
const CUE_POINT: u32 = 0xBB;
const CUE_TIME: u32 = 0xB3;
const CUE_TRACK_POSITIONS: u32 = 0xB7;
const CUE_CLUSTER_POSITION: u32 = 0xF1;

/// Most places that a list at the beginning points to.
const MAX_SEEKS: usize = 64;

impl<S: Read + Seek> Scan<'_, S> {
    /// Which elements are where, by a `SeekHead`; places count from `origin`, the segment's contents.
    pub(super) fn seek_head(&mut self, head: &Element, origin: u64) -> Vec<(u32, u64)> {
        let mut found = Vec::new();
        self.each(head, |scan, seek| {
            if seek.id != SEEK || found.len() >= MAX_SEEKS {
                return;
            }
            let (mut id, mut place) = (None, None);
            scan.each(seek, |scan, field| match field.id {
                SEEK_ID => id = scan.unsigned(field),
                SEEK_POSITION => place = scan.unsigned(field),
                _ => {}
            });
            let id = id.and_then(|id| u32::try_from(id).ok());
            let at = place.and_then(|place: u64| place.checked_add(origin));
            found.extend(id.zip(at));
        });
        found
    }

    /// The clusters that `Cues` name, in order.
    pub(super) fn cues(&mut self, cues: &Element, origin: u64) -> Vec<Cluster> {
        let mut found: Vec<Cluster> = Vec::new();
        self.each(cues, |scan, point| {
            if point.id != CUE_POINT || found.len() >= MAX_BOXES {
                return;
            }
            let (mut ts, mut place) = (None, None);
            scan.each(point, |scan, field| match field.id {
                CUE_TIME => ts = scan.unsigned(field),
                CUE_TRACK_POSITIONS => scan.each(field, |scan, field| {
                    if field.id == CUE_CLUSTER_POSITION && place.is_none() {
                        place = scan.unsigned(field);
                    }
                }),
                _ => {}
            });
            let at = place.and_then(|place: u64| place.checked_add(origin));
            if let Some((ts, at)) = ts.zip(at) {
                found.push(Cluster { ts, at });
            }
        });
        found.sort_by_key(|cluster| (cluster.ts, cluster.at));
        // A cluster begins no later than the first place in it.
        found.dedup_by_key(|cluster| cluster.at);
        found
    }
}
