//! What goes into a statement and what comes out of a row.
//!
//! Parameters are named and bound by name, never by place. Values are borrowed. Of the engine's own types only this file
//! and `engine` know.

use std::fmt;
use std::str::FromStr;

use admit_core::check::code::Code;
use admit_core::id::{Id, Kind, SubjectId};
use admit_core::name::{ApiUri, ExternalId, Label, RealmName, RoleName};
use admit_core::secret::SecretHash;
use admit_core::time::{Span, Time};
use bytes::{BufMut, BytesMut};
use rusqlite::types::{ToSqlOutput, ValueRef};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio_postgres::types::{FromSql, IsNull, ToSql, Type};

use crate::error::{Error, Result};

/// Parameters of a statement: `named! { realm, id: key.id, now }` binds `$realm`, `$id` and `$now`.
macro_rules! named {
    (@value $name:ident) => { $crate::value::ToValue::value(&$name) };
    (@value $name:ident $value:expr) => { $crate::value::ToValue::value(&$value) };
    ($($name:ident $(: $value:expr)?),* $(,)?) => {
        &[$((concat!("$", stringify!($name)), named!(@value $name $($value)?))),*]
    };
}

/// Declares the statements of a file, so that a test can prepare every one of them.
macro_rules! statements {
    ($($(#[$doc:meta])* $seen:vis $name:ident = $text:expr;)*) => {
        $($(#[$doc])* $seen const $name: &str = $text;)*
        #[cfg(test)]
        pub(crate) const SQL: &[(&str, &str)] = &[$((stringify!($name), $name)),*];
    };
}

/// A parameter, or what stands in a column.
#[derive(Clone, Copy)]
pub(crate) enum Value<'a> {
    Null,
    Int(i64),
    Text(&'a str),
    Bytes(&'a [u8]),
}

impl Value<'_> {
    /// Text with a NUL is refused: one engine cannot keep it.
    pub(crate) fn check(&self) -> Result<()> {
        match self {
            Self::Text(text) if text.contains('\0') => Err(Error::NulInText),
            _ => Ok(()),
        }
    }

    /// The same for as long as it is wanted.
    pub(crate) fn kept(self) -> OwnedValue {
        match self {
            Self::Null => OwnedValue::Null,
            Self::Int(number) => OwnedValue::Int(number),
            Self::Text(text) => OwnedValue::Text(text.into()),
            Self::Bytes(bytes) => OwnedValue::Bytes(bytes.into()),
        }
    }
}

/// A parameter that is kept until its statement goes out.
pub(crate) enum OwnedValue {
    Null,
    Int(i64),
    Text(Box<str>),
    Bytes(Box<[u8]>),
}

impl ToValue for OwnedValue {
    fn value(&self) -> Value<'_> {
        match self {
            Self::Null => Value::Null,
            Self::Int(number) => Value::Int(*number),
            Self::Text(text) => Value::Text(text),
            Self::Bytes(bytes) => Value::Bytes(bytes),
        }
    }
}

impl fmt::Debug for Value<'_> {
    /// Never what it is: a driver may log its parameters.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Null => "NULL",
            Self::Int(_) => "a number",
            Self::Text(_) => "text",
            Self::Bytes(_) => "bytes",
        })
    }
}

/// The parameters of a statement with their names, `$` included.
pub(crate) type Named<'a> = &'a [(&'static str, Value<'a>)];

impl rusqlite::ToSql for Value<'_> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(match self {
            Self::Null => ValueRef::Null,
            Self::Int(number) => ValueRef::Integer(*number),
            Self::Text(text) => ValueRef::Text(text.as_bytes()),
            Self::Bytes(bytes) => ValueRef::Blob(bytes),
        }))
    }
}

/// What a driver says of a value that it cannot carry.
type Unfit = Box<dyn std::error::Error + Sync + Send>;

impl ToSql for Value<'_> {
    /// As the statement expects it: one text serves two engines, and one of them has numbers of several widths.
    fn to_sql(&self, expected: &Type, out: &mut BytesMut) -> std::result::Result<IsNull, Unfit> {
        match (self, expected) {
            (Self::Null, _) => return Ok(IsNull::Yes),
            (Self::Int(number), &Type::INT8) => out.put_i64(*number),
            (Self::Int(number), &Type::INT4) => out.put_i32(i32::try_from(*number)?),
            (Self::Text(text), &Type::TEXT) => out.put_slice(text.as_bytes()),
            (Self::Bytes(bytes), &Type::BYTEA) => out.put_slice(bytes),
            _ => return Err(format!("a parameter is {self:?} where the statement has {expected}").into()),
        }
        Ok(IsNull::No)
    }

    fn accepts(_: &Type) -> bool {
        true
    }

    fn to_sql_checked(&self, expected: &Type, out: &mut BytesMut) -> std::result::Result<IsNull, Unfit> {
        self.to_sql(expected, out)
    }
}

impl<'a> FromSql<'a> for Value<'a> {
    fn from_sql(found: &Type, raw: &'a [u8]) -> std::result::Result<Self, Unfit> {
        Ok(match *found {
            Type::INT8 => Self::Int(i64::from_be_bytes(raw.try_into()?)),
            Type::INT4 => Self::Int(i32::from_be_bytes(raw.try_into()?).into()),
            Type::BYTEA => Self::Bytes(raw),
            _ => Self::Text(std::str::from_utf8(raw)?),
        })
    }

    fn from_sql_null(_: &Type) -> std::result::Result<Self, Unfit> {
        Ok(Self::Null)
    }

    fn accepts(found: &Type) -> bool {
        [Type::INT8, Type::INT4, Type::BYTEA, Type::TEXT].contains(found)
    }
}

/// What can be a parameter.
pub(crate) trait ToValue {
    fn value(&self) -> Value<'_>;
}

impl<T: ToValue + ?Sized> ToValue for &T {
    fn value(&self) -> Value<'_> {
        (**self).value()
    }
}

impl<T: ToValue> ToValue for Option<T> {
    fn value(&self) -> Value<'_> {
        self.as_ref().map_or(Value::Null, ToValue::value)
    }
}

/// Implements [`ToValue`] for types that one expression turns into a [`Value`].
macro_rules! to_value {
    ($($type:ty: $self:ident => $value:expr;)*) => {$(
        impl ToValue for $type {
            fn value(&$self) -> Value<'_> {
                $value
            }
        }
    )*};
}

to_value! {
    i64: self => Value::Int(*self);
    u32: self => Value::Int(i64::from(*self));
    u16: self => Value::Int(i64::from(*self));
    Time: self => Value::Int(self.unix_ms());
    Span: self => Value::Int(self.as_ms());
    str: self => Value::Text(self);
    String: self => Value::Text(self);
    [u8]: self => Value::Bytes(self);
    [u8; 16]: self => Value::Bytes(self);
    [u8; 32]: self => Value::Bytes(self);
    SecretHash: self => Value::Bytes(&self.0);
    SubjectId: self => Value::Bytes(self.bytes());
    ApiUri: self => Value::Text(self.as_str());
    Code: self => Value::Text(self.as_str());
    Label: self => Value::Text(self.as_str());
    ExternalId: self => Value::Text(self.as_str());
    RealmName: self => Value::Text(self.as_str());
    RoleName: self => Value::Text(self.as_str());
}

impl<K: Kind> ToValue for Id<K> {
    fn value(&self) -> Value<'_> {
        Value::Bytes(self.bytes())
    }
}

/// A specification as the text of its column.
pub(crate) fn json<T: Serialize>(value: &T) -> Result<String> {
    serde_json::to_string(value).map_err(Error::corrupt)
}

/// Free JSON as the text of its column; none where there is none.
pub(crate) fn optional_json(value: &serde_json::Value) -> Result<Option<String>> {
    if value.is_null() { Ok(None) } else { json(value).map(Some) }
}

/// What a row can be read as.
pub(crate) trait FromRow: Sized {
    fn from_row(row: &Row<'_, '_>) -> Result<Self>;
}

/// One row; columns are counted from where this view of it begins.
#[derive(Clone, Copy)]
pub(crate) struct Row<'r, 's> {
    source: Source<'r, 's>,
    begin: usize,
}

/// Whose row it is.
#[derive(Clone, Copy)]
enum Source<'r, 's> {
    Sqlite(&'r rusqlite::Row<'s>),
    Postgres(&'r tokio_postgres::Row),
}

impl<'r, 's> Row<'r, 's> {
    pub(crate) fn sqlite(row: &'r rusqlite::Row<'s>) -> Self {
        Self { source: Source::Sqlite(row), begin: 0 }
    }

    pub(crate) fn postgres(row: &'r tokio_postgres::Row) -> Self {
        Self { source: Source::Postgres(row), begin: 0 }
    }

    /// The same row, its columns counted from this one.
    pub(crate) fn from(&self, column: usize) -> Self {
        Self { source: self.source, begin: self.begin + column }
    }

    fn get(&self, column: usize) -> Result<Value<'r>> {
        let at = self.begin + column;
        match self.source {
            Source::Sqlite(row) => match row.get_ref(at).map_err(|_| self.wrong(column, "there"))? {
                ValueRef::Null => Ok(Value::Null),
                ValueRef::Integer(number) => Ok(Value::Int(number)),
                ValueRef::Text(text) => {
                    std::str::from_utf8(text).map(Value::Text).map_err(|_| self.wrong(column, "UTF-8"))
                }
                ValueRef::Blob(bytes) => Ok(Value::Bytes(bytes)),
                ValueRef::Real(_) => Err(self.wrong(column, "of a type that is used here")),
            },
            Source::Postgres(row) => row.try_get(at).map_err(|_| self.wrong(column, "there")),
        }
    }

    fn wrong(&self, column: usize, expected: &str) -> Error {
        Error::corrupt(format_args!("column {} is not {expected}", self.begin + column))
    }

    pub(crate) fn is_null(&self, column: usize) -> Result<bool> {
        Ok(matches!(self.get(column)?, Value::Null))
    }

    /// Reads the column by `read` unless it is NULL.
    pub(crate) fn optional<T>(&self, column: usize, read: impl FnOnce(&Self, usize) -> Result<T>) -> Result<Option<T>> {
        if self.is_null(column)? { Ok(None) } else { read(self, column).map(Some) }
    }

    pub(crate) fn int(&self, column: usize) -> Result<i64> {
        match self.get(column)? {
            Value::Int(number) => Ok(number),
            _ => Err(self.wrong(column, "a number")),
        }
    }

    /// A number of a narrower type.
    pub(crate) fn number<T: TryFrom<i64>>(&self, column: usize) -> Result<T> {
        T::try_from(self.int(column)?).map_err(|_| self.wrong(column, "in range"))
    }

    pub(crate) fn time(&self, column: usize) -> Result<Time> {
        self.int(column).map(Time::from_unix_ms)
    }

    pub(crate) fn optional_time(&self, column: usize) -> Result<Option<Time>> {
        self.optional(column, Self::time)
    }

    pub(crate) fn text(&self, column: usize) -> Result<&'r str> {
        match self.get(column)? {
            Value::Text(text) => Ok(text),
            _ => Err(self.wrong(column, "text")),
        }
    }

    pub(crate) fn string(&self, column: usize) -> Result<String> {
        self.text(column).map(str::to_owned)
    }

    /// Text that is parsed into what it names.
    pub(crate) fn parse<T: FromStr>(&self, column: usize) -> Result<T> {
        self.text(column)?.parse().map_err(|_| self.wrong(column, std::any::type_name::<T>()))
    }

    pub(crate) fn json<T: DeserializeOwned>(&self, column: usize) -> Result<T> {
        serde_json::from_str(self.text(column)?).map_err(|_| self.wrong(column, std::any::type_name::<T>()))
    }

    /// Free JSON; `null` where there is none.
    pub(crate) fn free_json(&self, column: usize) -> Result<serde_json::Value> {
        Ok(self.optional(column, Self::json)?.unwrap_or_default())
    }

    pub(crate) fn bytes<const N: usize>(&self, column: usize) -> Result<[u8; N]> {
        let Value::Bytes(bytes) = self.get(column)? else { return Err(self.wrong(column, "bytes")) };
        bytes.try_into().map_err(|_| self.wrong(column, "as many bytes as it should be"))
    }

    pub(crate) fn blob(&self, column: usize) -> Result<Vec<u8>> {
        match self.get(column)? {
            Value::Bytes(bytes) => Ok(bytes.to_vec()),
            _ => Err(self.wrong(column, "bytes")),
        }
    }

    pub(crate) fn id<K: Kind>(&self, column: usize) -> Result<Id<K>> {
        self.bytes(column).map(Id::from_bytes)
    }

    pub(crate) fn optional_id<K: Kind>(&self, column: usize) -> Result<Option<Id<K>>> {
        self.optional(column, Self::id)
    }
}

impl FromRow for i64 {
    fn from_row(row: &Row<'_, '_>) -> Result<Self> {
        row.int(0)
    }
}

impl FromRow for Option<i64> {
    fn from_row(row: &Row<'_, '_>) -> Result<Self> {
        row.optional(0, Row::int)
    }
}

impl FromRow for String {
    fn from_row(row: &Row<'_, '_>) -> Result<Self> {
        row.string(0)
    }
}

impl FromRow for Vec<u8> {
    fn from_row(row: &Row<'_, '_>) -> Result<Self> {
        row.blob(0)
    }
}

impl<K: Kind> FromRow for Id<K> {
    fn from_row(row: &Row<'_, '_>) -> Result<Self> {
        row.id(0)
    }
}
