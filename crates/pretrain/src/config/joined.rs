//! Two structs whose keys stand in one table.
//!
//! `#[serde(flatten)]` collects the table before it reads any value, and then nothing knows where in the file a key or a value
//! stood. Here each value goes from the table straight to its struct, so that an error has its line.

use std::marker::PhantomData;

use serde::de::value::StringDeserializer;
use serde::de::{Deserialize, DeserializeSeed, Deserializer, Error, IntoDeserializer, MapAccess, Visitor};

/// A struct that takes some keys of a table and leaves the others to another struct.
pub(super) trait OwnKeys<'de>: Default {
    type Key: Copy + 'static;
    const KEYS: &'static [(&'static str, Self::Key)];

    fn read<A: MapAccess<'de>>(&mut self, key: Self::Key, map: &mut A) -> Result<(), A::Error>;
}

/// The struct of its own keys, and the one of the others.
pub(super) fn deserialize<'de, D, O, R>(deserializer: D) -> Result<(O, R), D::Error>
where
    D: Deserializer<'de>,
    O: OwnKeys<'de>,
    R: Deserialize<'de>,
{
    deserializer.deserialize_map(Both(PhantomData))
}

struct Both<O, R>(PhantomData<(O, R)>);

impl<'de, O: OwnKeys<'de>, R: Deserialize<'de>> Visitor<'de> for Both<O, R> {
    type Value = (O, R);

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a table")
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<(O, R), A::Error> {
        let mut own = O::default();
        let rest = R::deserialize(Rest { map, own: &mut own })?;
        Ok((own, rest))
    }
}

/// The table as the other struct sees it.
struct Rest<'a, A, O> {
    map: A,
    own: &'a mut O,
}

impl<'de, A: MapAccess<'de>, O: OwnKeys<'de>> Deserializer<'de> for Rest<'_, A, O> {
    type Error = A::Error;

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, A::Error> {
        visitor.visit_map(RestEntries { map: self.map, own: self.own, fields })
    }

    fn deserialize_any<V: Visitor<'de>>(self, _visitor: V) -> Result<V::Value, A::Error> {
        Err(A::Error::custom("only a struct says which keys it has"))
    }

    serde::forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option unit unit_struct
        newtype_struct seq tuple tuple_struct map enum identifier ignored_any
    }
}

struct RestEntries<'a, A, O> {
    map: A,
    own: &'a mut O,
    fields: &'static [&'static str],
}

impl<'de, A: MapAccess<'de>, O: OwnKeys<'de>> MapAccess<'de> for RestEntries<'_, A, O> {
    type Error = A::Error;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, mut seed: K) -> Result<Option<K::Value>, A::Error> {
        loop {
            match self.map.next_key_seed(KeySeed::<K, O> { seed, fields: self.fields, own: PhantomData })? {
                Some(Key::Own(key, unused)) => {
                    self.own.read(key, &mut self.map)?;
                    seed = unused;
                }
                Some(Key::Rest(key)) => return Ok(Some(key)),
                None => return Ok(None),
            }
        }
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, A::Error> {
        self.map.next_value_seed(seed)
    }
}

struct KeySeed<K, O> {
    seed: K,
    fields: &'static [&'static str],
    own: PhantomData<O>,
}

enum Key<O, R, K> {
    Own(O, K),
    Rest(R),
}

impl<'de, K: DeserializeSeed<'de>, O: OwnKeys<'de>> DeserializeSeed<'de> for KeySeed<K, O> {
    type Value = Key<O::Key, K::Value, K>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        let name = String::deserialize(deserializer)?;
        if let Some((_, key)) = O::KEYS.iter().find(|(own, _)| *own == name) {
            return Ok(Key::Own(*key, self.seed));
        }
        if !self.fields.contains(&name.as_str()) {
            let own = O::KEYS.iter().map(|(own, _)| own);
            let known: Vec<String> = own.chain(self.fields).map(|known| format!("`{known}`")).collect();
            return Err(D::Error::custom(format!("unknown field `{name}`, expected one of {}", known.join(", "))));
        }
        let name: StringDeserializer<D::Error> = name.into_deserializer();
        self.seed.deserialize(name).map(Key::Rest)
    }
}
