//! Chapters of Matroska (RFC 9559 section 5.1.7): places with names, in editions of which one counts.

use std::io::{Read, Seek};
use std::time::Duration;

use super::{Element, Scan};
use crate::info::Chapter;
use crate::info::chapters::in_order;
use crate::limits::MAX_CHAPTERS;

const EDITION: u32 = 0x45B9;
const EDITION_HIDDEN: u32 = 0x45BD;
const EDITION_DEFAULT: u32 = 0x45DB;
const CHAPTER: u32 = 0xB6;
const START: u32 = 0x91;
const HIDDEN: u32 = 0x98;
const DISPLAY: u32 = 0x80;
const STRING: u32 = 0x85;

/// Chapters within chapters are read this deep.
const MAX_DEPTH: usize = 8;

type Found = Vec<(Duration, Option<String>)>;

impl<S: Read + Seek> Scan<'_, S> {
    /// The chapters of the default edition, or of the first one that is not hidden.
    pub(super) fn chapters(&mut self, chapters: &Element) -> Vec<Chapter> {
        let (mut first, mut chosen) = (None, None);
        self.each(chapters, |scan, child| {
            if child.id != EDITION || chosen.is_some() {
                return;
            }
            let (mut found, mut hidden, mut default) = (Found::new(), false, false);
            scan.each(child, |scan, field| match field.id {
                EDITION_HIDDEN => hidden = scan.unsigned(field) == Some(1),
                EDITION_DEFAULT => default = scan.unsigned(field) == Some(1),
                CHAPTER => scan.chapter(field, &mut found, 0),
                _ => {}
            });
            if default && !hidden {
                chosen = Some(found);
            } else if !hidden {
                first.get_or_insert(found);
            }
        });
        in_order(chosen.or(first).unwrap_or_default())
    }

    fn chapter(&mut self, chapter: &Element, found: &mut Found, depth: usize) {
        if depth >= MAX_DEPTH || found.len() >= MAX_CHAPTERS {
            return;
        }
        let (mut start, mut title, mut hidden) = (None, None, false);
        let mut within = Found::new();
        self.each(chapter, |scan, field| match field.id {
            START => start = scan.unsigned(field),
            HIDDEN => hidden = scan.unsigned(field) == Some(1),
            DISPLAY if title.is_none() => scan.each(field, |scan, text| {
                if text.id == STRING && title.is_none() {
                    title = scan.text(text);
                }
            }),
            CHAPTER => scan.chapter(field, &mut within, depth + 1),
            _ => {}
        });
        if let Some(nanos) = start.filter(|_| !hidden) {
            found.push((Duration::from_nanos(nanos), title));
            found.append(&mut within);
        }
    }

    /// Goes through the children of an element.
    pub(super) fn each(&mut self, parent: &Element, mut take: impl FnMut(&mut Self, &Element)) {
        let mut at = parent.at;
        while at < parent.end
            && let Some(child) = self.element(at)
        {
            if child.end > parent.end {
                return;
            }
            take(self, &child);
            at = child.end;
        }
    }
}
