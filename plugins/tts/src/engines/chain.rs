//! Which engine speaks: the one that was chosen, then the others in their order; one that failed is
//! left alone for a while.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::{Engine, EngineError};

/// An engine that failed is asked again after this, in microseconds; after every further failure
/// after twice as long, up to the most.
const FIRST_REST_US: u64 = 30_000_000;
const LONGEST_REST_US: u64 = 600_000_000;

/// How an engine is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Health {
    failures: u32,
    /// It is left alone until then.
    rests_until_us: u64,
    last: Option<EngineError>,
}

/// The engines in the order they are asked.
pub struct Chain {
    engines: Vec<Arc<dyn Engine>>,
    health: Mutex<Vec<Health>>,
}

impl core::fmt::Debug for Chain {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        let ids: Vec<&str> = self.engines.iter().map(|engine| engine.id()).collect();
        f.debug_struct("Chain")
            .field("engines", &ids)
            .finish_non_exhaustive()
    }
}

/// How an engine is, for people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// Its id.
    pub id: &'static str,
    /// Why it did not speak the last time; `None` if it did, or was never asked.
    pub trouble: Option<EngineError>,
}

impl Chain {
    /// Engines, the first one first.
    #[must_use]
    pub fn new(engines: Vec<Arc<dyn Engine>>) -> Self {
        let health = engines.iter().map(|_| Health::default()).collect();
        Self {
            engines,
            health: Mutex::new(health),
        }
    }

    fn health(&self) -> MutexGuard<'_, Vec<Health>> {
        self.health.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// All engines.
    #[must_use]
    pub fn engines(&self) -> &[Arc<dyn Engine>] {
        &self.engines
    }

    /// Who is asked now, in order. If all rest, all are asked: somebody is waiting for an answer.
    #[must_use]
    pub fn order(&self, preferred: Option<&str>, now_us: u64) -> Vec<Arc<dyn Engine>> {
        let health = self.health();
        let mut all: Vec<(bool, &Arc<dyn Engine>)> = self
            .engines
            .iter()
            .zip(health.iter())
            .map(|(engine, health)| (health.rests_until_us > now_us, engine))
            .collect();
        all.sort_by_key(|(_, engine)| Some(engine.id()) != preferred);
        let awake: Vec<_> = all.iter().filter(|(rests, _)| !rests).collect();
        let asked = if awake.is_empty() {
            all.iter().collect()
        } else {
            awake
        };
        asked
            .into_iter()
            .map(|(_, engine)| Arc::clone(engine))
            .collect()
    }

    /// An engine spoke, or did not.
    pub fn report(&self, id: &str, result: &Result<(), EngineError>, now_us: u64) {
        let at = self.engines.iter().position(|engine| engine.id() == id);
        let mut all = self.health();
        let Some(health) = at.and_then(|at| all.get_mut(at)) else {
            return;
        };
        match result {
            Ok(()) => *health = Health::default(),
            Err(error) if error.is_the_engines() => {
                let rest_us = FIRST_REST_US << health.failures.min(8);
                health.failures = health.failures.saturating_add(1);
                health.rests_until_us = now_us.saturating_add(rest_us.min(LONGEST_REST_US));
                health.last = Some(error.clone());
            }
            Err(_) => {}
        }
    }

    /// How all of them are.
    #[must_use]
    pub fn reports(&self) -> Vec<Report> {
        let health = self.health();
        let engines = self.engines.iter().zip(health.iter());
        engines
            .map(|(engine, health)| Report {
                id: engine.id(),
                trouble: health.last.clone(),
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engines::{Ask, Sound, Stop, VoiceName};

    struct Named(&'static str);

    impl Engine for Named {
        fn id(&self) -> &'static str {
            self.0
        }

        fn voices(&self, _: &Stop) -> Result<Vec<VoiceName>, EngineError> {
            Ok(Vec::new())
        }

        fn speak(
            &self,
            _: &Ask<'_>,
            _: &Stop,
            _: &mut dyn FnMut(Sound<'_>) -> bool,
        ) -> Result<(), EngineError> {
            Ok(())
        }
    }

    fn order(chain: &Chain, preferred: Option<&str>, now_us: u64) -> Vec<&'static str> {
        chain
            .order(preferred, now_us)
            .iter()
            .map(|engine| engine.id())
            .collect()
    }

    #[test]
    fn an_engine_that_fails_rests_longer_each_time_and_a_word_makes_it_whole() {
        let chain = Chain::new(vec![Arc::new(Named("a")), Arc::new(Named("b"))]);
        let s = 1_000_000;
        assert_eq!(order(&chain, None, 0), ["a", "b"]);
        assert_eq!(order(&chain, Some("b"), 0), ["b", "a"]);
        assert_eq!(order(&chain, Some("nobody"), 0), ["a", "b"]);
        let failed = Err(EngineError::Failed("x".into()));
        chain.report("a", &failed, 0);
        assert_eq!(order(&chain, Some("a"), 29 * s), ["b"]);
        assert_eq!(order(&chain, None, 30 * s), ["a", "b"]);
        chain.report("a", &failed, 30 * s);
        assert_eq!(order(&chain, None, 89 * s), ["b"]);
        assert_eq!(
            chain.reports()[0].trouble,
            Some(EngineError::Failed("x".into()))
        );
        chain.report("b", &failed, 31 * s);
        assert_eq!(
            order(&chain, None, 32 * s),
            ["a", "b"],
            "all rest: all are asked"
        );
        chain.report("a", &Ok(()), 33 * s);
        assert_eq!(order(&chain, None, 34 * s), ["a"]);
        assert_eq!(chain.reports()[0].trouble, None);
    }

    #[test]
    fn a_wrong_voice_and_a_skip_are_not_the_engines_fault() {
        let chain = Chain::new(vec![Arc::new(Named("a"))]);
        chain.report("a", &Err(EngineError::NoVoice("x".into())), 0);
        chain.report("a", &Err(EngineError::Stopped), 0);
        chain.report("nobody", &Ok(()), 0);
        assert_eq!(chain.reports()[0].trouble, None);
    }
}
