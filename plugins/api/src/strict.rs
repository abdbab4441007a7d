//! A deserializer over `serde_json::Value` that knows where it is, and notes keys no struct asked
//! for instead of stopping at the first.

use crate::{
    Diagnostic,
    words::{expected_words, found_words, nearest},
};
use serde::de::{
    self, DeserializeOwned, DeserializeSeed, Deserializer, EnumAccess, IntoDeserializer, MapAccess,
    SeqAccess, VariantAccess, Visitor,
};
use serde_json::{Map, Value};
use std::{cell::RefCell, fmt};

/// Why a value was refused.
#[derive(Debug)]
pub(crate) struct Wrong {
    pub(crate) pointer: String,
    message: String,
    suggestion: Option<String>,
    /// Pointer of the key that is missing, if that is what is wrong.
    pub(crate) missing: Option<String>,
    placed: bool,
}

impl Wrong {
    fn new(message: String) -> Self {
        Self {
            pointer: String::new(),
            message,
            suggestion: None,
            missing: None,
            placed: false,
        }
    }

    /// The innermost place wins.
    fn at(mut self, pointer: &str) -> Self {
        if !self.placed {
            self.placed = true;
            pointer.clone_into(&mut self.pointer);
            self.missing = self.missing.map(|key| child(pointer, &key));
        }
        self
    }

    /// A key that is missing, or a value that is incomplete, because something in it was skipped
    /// is not another mistake.
    pub(crate) fn follows_from(&self, skipped: &[String]) -> bool {
        match &self.missing {
            Some(key) => skipped.contains(key),
            None => skipped
                .iter()
                .any(|gone| gone.starts_with(&child(&self.pointer, ""))),
        }
    }

    pub(crate) fn into_diagnostic(self) -> Diagnostic {
        let Self {
            pointer,
            message,
            suggestion,
            ..
        } = self;
        Diagnostic {
            pointer,
            message,
            suggestion,
        }
    }
}

impl fmt::Display for Wrong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Wrong {}

impl de::Error for Wrong {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self::new(message.to_string())
    }

    fn invalid_type(found: de::Unexpected<'_>, expected: &dyn de::Expected) -> Self {
        Self::new(format!(
            "expected {}, found {}",
            expected_words(expected),
            found_words(&found)
        ))
    }

    fn invalid_value(found: de::Unexpected<'_>, expected: &dyn de::Expected) -> Self {
        Self::invalid_type(found, expected)
    }

    fn missing_field(field: &'static str) -> Self {
        Self {
            missing: Some(field.into()),
            ..Self::new(format!("the key `{field}` is missing"))
        }
    }

    fn unknown_variant(variant: &str, expected: &'static [&'static str]) -> Self {
        let list = expected.join("`, `");
        let message = format!("`{variant}` is not one of `{list}`");
        Self {
            suggestion: nearest(variant, expected),
            ..Self::new(message)
        }
    }
}

/// Reads `C` as if the values at `skip` were not there; also what it did not ask for.
pub(crate) fn read<C: DeserializeOwned>(
    value: &Value,
    skip: &[String],
) -> (Result<C, Wrong>, Vec<Diagnostic>) {
    let notes = Notes {
        skip,
        unknown: RefCell::new(Vec::new()),
    };
    let result = C::deserialize(Strict {
        value,
        pointer: String::new(),
        notes: &notes,
    });
    (
        result.map_err(|wrong| wrong.at("")),
        notes.unknown.into_inner(),
    )
}

/// What the whole reading shares.
struct Notes<'a> {
    skip: &'a [String],
    unknown: RefCell<Vec<Diagnostic>>,
}

fn child(pointer: &str, key: &str) -> String {
    format!("{pointer}/{}", key.replace('~', "~0").replace('/', "~1"))
}

struct Strict<'a> {
    value: &'a Value,
    pointer: String,
    notes: &'a Notes<'a>,
}

impl<'a> Strict<'a> {
    fn inner(&self, key: &str, value: &'a Value) -> Self {
        Self {
            value,
            pointer: child(&self.pointer, key),
            notes: self.notes,
        }
    }

    fn map(
        &self,
        map: &'a Map<String, Value>,
        fields: Option<&'static [&'static str]>,
    ) -> Fields<'a> {
        let known = |key: &str| fields.is_none_or(|fields| fields.contains(&key));
        let mut unknown = self.notes.unknown.borrow_mut();
        for key in map.keys().filter(|key| !known(key)) {
            let mut found =
                Diagnostic::new(child(&self.pointer, key), format!("unknown key `{key}`"));
            found.suggestion = nearest(key, fields.unwrap_or_default());
            unknown.push(found);
        }
        let rest: Vec<(&String, Self)> = map
            .iter()
            .filter(|(key, _)| known(key))
            .map(|(key, value)| (key, self.inner(key, value)))
            .filter(|(_, inner)| !self.notes.skip.contains(&inner.pointer))
            .collect();
        Fields {
            rest: rest.into_iter(),
            value: None,
        }
    }

    /// Lets serde_json explain a mismatch: `invalid type: string "x", expected u16`.
    fn plain<'de, V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Wrong> {
        let pointer = self.pointer;
        let result = match self.value {
            Value::Null => visitor.visit_unit(),
            Value::Bool(yes) => visitor.visit_bool(*yes),
            Value::String(text) => visitor.visit_str(text),
            Value::Number(number) => match (number.as_u64(), number.as_i64(), number.as_f64()) {
                (Some(number), _, _) => visitor.visit_u64(number),
                (_, Some(number), _) => visitor.visit_i64(number),
                (_, _, Some(number)) => visitor.visit_f64(number),
                _ => Err(Wrong::new("not a number Mynah can hold".into())),
            },
            Value::Array(list) => {
                let seq = Items {
                    list: list.iter(),
                    index: 0,
                    from: (&pointer, self.notes),
                };
                visitor.visit_seq(seq)
            }
            Value::Object(map) => {
                let this = Self {
                    value: self.value,
                    pointer: pointer.clone(),
                    notes: self.notes,
                };
                visitor.visit_map(this.map(map, None))
            }
        };
        result.map_err(|wrong| wrong.at(&pointer))
    }
}

impl<'de> Deserializer<'de> for Strict<'_> {
    type Error = Wrong;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Wrong> {
        self.plain(visitor)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Wrong> {
        if self.value.is_null() {
            visitor.visit_none()
        } else {
            visitor.visit_some(self)
        }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Wrong> {
        let pointer = self.pointer.clone();
        visitor
            .visit_newtype_struct(self)
            .map_err(|wrong| wrong.at(&pointer))
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Wrong> {
        let Value::Object(map) = self.value else {
            return self.plain(visitor);
        };
        let result = visitor.visit_map(self.map(map, Some(fields)));
        result.map_err(|wrong| wrong.at(&self.pointer))
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Wrong> {
        let pointer = self.pointer.clone();
        let result = match self.value {
            Value::String(name) => visitor.visit_enum(Variant {
                name,
                content: None,
            }),
            Value::Object(map) if map.len() == 1 => match map.iter().next() {
                Some((name, value)) => {
                    let content = Some(self.inner(name, value));
                    visitor.visit_enum(Variant { name, content })
                }
                None => unreachable!("its length is one"),
            },
            _ => return self.plain(visitor),
        };
        result.map_err(|wrong| wrong.at(&pointer))
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Wrong> {
        visitor.visit_unit()
    }

    serde::forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit
        unit_struct seq tuple tuple_struct map identifier
    }
}

struct Fields<'a> {
    rest: std::vec::IntoIter<(&'a String, Strict<'a>)>,
    value: Option<Strict<'a>>,
}

impl<'de> MapAccess<'de> for Fields<'_> {
    type Error = Wrong;

    fn next_key_seed<K: DeserializeSeed<'de>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, Wrong> {
        let Some((key, value)) = self.rest.next() else {
            return Ok(None);
        };
        let pointer = value.pointer.clone();
        self.value = Some(value);
        let key = seed.deserialize(key.as_str().into_deserializer());
        key.map(Some).map_err(|wrong: Wrong| wrong.at(&pointer))
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Wrong> {
        let value = self
            .value
            .take()
            .ok_or_else(|| Wrong::new("a value without a key".into()))?;
        seed.deserialize(value)
    }
}

struct Items<'a, 'p> {
    list: std::slice::Iter<'a, Value>,
    index: usize,
    from: (&'p str, &'a Notes<'a>),
}

impl<'de> SeqAccess<'de> for Items<'_, '_> {
    type Error = Wrong;

    fn next_element_seed<T: DeserializeSeed<'de>>(
        &mut self,
        seed: T,
    ) -> Result<Option<T::Value>, Wrong> {
        for value in self.list.by_ref() {
            let (pointer, notes) = self.from;
            let pointer = child(pointer, &self.index.to_string());
            self.index += 1;
            if !notes.skip.contains(&pointer) {
                return seed
                    .deserialize(Strict {
                        value,
                        pointer,
                        notes,
                    })
                    .map(Some);
            }
        }
        Ok(None)
    }
}

struct Variant<'a> {
    name: &'a str,
    content: Option<Strict<'a>>,
}

impl<'a, 'de> EnumAccess<'de> for Variant<'a> {
    type Error = Wrong;
    type Variant = Content<'a>;

    fn variant_seed<V: DeserializeSeed<'de>>(
        self,
        seed: V,
    ) -> Result<(V::Value, Content<'a>), Wrong> {
        let name = seed.deserialize(self.name.into_deserializer())?;
        Ok((name, Content(self.content)))
    }
}

struct Content<'a>(Option<Strict<'a>>);

impl<'de> VariantAccess<'de> for Content<'_> {
    type Error = Wrong;

    fn unit_variant(self) -> Result<(), Wrong> {
        match self.0 {
            None => Ok(()),
            Some(content) => Err(Wrong::new("takes no value".into()).at(&content.pointer)),
        }
    }

    fn newtype_variant_seed<T: DeserializeSeed<'de>>(self, seed: T) -> Result<T::Value, Wrong> {
        let content = self.0.ok_or_else(|| Wrong::new("needs a value".into()))?;
        seed.deserialize(content)
    }

    fn tuple_variant<V: Visitor<'de>>(self, _: usize, visitor: V) -> Result<V::Value, Wrong> {
        let content = self.0.ok_or_else(|| Wrong::new("needs a value".into()))?;
        content.plain(visitor)
    }

    fn struct_variant<V: Visitor<'de>>(
        self,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Wrong> {
        let content = self.0.ok_or_else(|| Wrong::new("needs a table".into()))?;
        content.deserialize_struct("", fields, visitor)
    }
}
