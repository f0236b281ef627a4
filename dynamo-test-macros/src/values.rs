//! The values of keys: each is read, or refused with what the key takes.

use proc_macro2::TokenStream;
use quote::ToTokens;
use syn::punctuated::Punctuated;
use syn::{Expr, ExprLit, Lit, LitStr, Meta, Token};

use crate::errors::Errors;
use crate::parse::{Quarantine, Xfail};

pub(crate) fn value(meta: &Meta) -> Option<&Expr> {
    match meta {
        Meta::NameValue(pair) => Some(&pair.value),
        _ => None,
    }
}

pub(crate) fn key_of(meta: &Meta) -> String {
    meta.path().get_ident().map(ToString::to_string).unwrap_or_default()
}

/// Where to point: at the value if there is one.
pub(crate) fn place(meta: &Meta) -> TokenStream {
    value(meta).map_or_else(|| meta.to_token_stream(), ToTokens::to_token_stream)
}

/// The text of `key = "text"`, which is not empty.
pub(crate) fn text(meta: &Meta, errors: &mut Errors, expected: &str) -> Option<LitStr> {
    match value(meta) {
        Some(Expr::Lit(ExprLit { lit: Lit::Str(text), .. })) if !text.value().trim().is_empty() => {
            Some(text.clone())
        }
        _ => {
            errors.push(place(meta), format!("`{}` takes {expected}", key_of(meta)));
            None
        }
    }
}

pub(crate) fn reason(meta: &Meta, errors: &mut Errors) -> Option<LitStr> {
    let key = key_of(meta);
    text(
        meta,
        errors,
        &format!("a reason, which is shown when the case is not run as usual: `{key} = \"…\"`"),
    )
}

pub(crate) fn xfail(meta: &Meta, errors: &mut Errors) -> Option<Xfail> {
    let Meta::List(_) = meta else {
        return Some(Xfail { reason: reason(meta, errors)?, strict: true });
    };
    let expected = "`xfail(reason = \"…\", strict = false)`";
    let [reason, strict] = pairs(meta, ["reason", "strict"], expected, errors)?;
    let strict = match strict {
        None => Some(true),
        Some(Expr::Lit(ExprLit { lit: Lit::Bool(strict), .. })) => Some(strict.value),
        Some(_) => None,
    };
    match (reason.and_then(literal_text), strict) {
        (Some(reason), Some(strict)) => Some(Xfail { reason, strict }),
        _ => {
            errors.push(meta, format!("expected {expected}"));
            None
        }
    }
}

pub(crate) fn quarantine(meta: &Meta, errors: &mut Errors) -> Option<Quarantine> {
    let expected = "`quarantine(ticket = \"…\", until = \"2027-01-31\")`";
    let [ticket, until] = pairs(meta, ["ticket", "until"], expected, errors)?;
    let (Some(ticket), Some(until)) = (ticket.and_then(literal_text), until.and_then(literal_text))
    else {
        errors.push(meta, format!("expected {expected}"));
        return None;
    };
    // The date alone is no time; midnight makes it one.
    let date = until.value();
    if humantime::parse_rfc3339(&format!("{date}T00:00:00Z")).is_err() {
        let message = format!("{date:?} is no date: write year, month and day, \"2027-01-31\"");
        errors.push(until, message);
        return None;
    }
    Some(Quarantine { ticket, until })
}

/// The values of a list of `key = value` whose keys are known, each at most once.
fn pairs<const N: usize>(
    meta: &Meta,
    keys: [&str; N],
    expected: &str,
    errors: &mut Errors,
) -> Option<[Option<Expr>; N]> {
    let parsed = match meta {
        Meta::List(list) => {
            list.parse_args_with(Punctuated::<syn::MetaNameValue, Token![,]>::parse_terminated).ok()
        }
        _ => None,
    };
    let mut values = [const { None }; N];
    for pair in parsed.into_iter().flatten() {
        match keys.iter().position(|key| pair.path.is_ident(key)) {
            Some(index) if values[index].is_none() => values[index] = Some(pair.value),
            _ => {
                errors.push(pair, format!("expected {expected}"));
                return None;
            }
        }
    }
    if values.iter().all(Option::is_none) {
        errors.push(meta, format!("expected {expected}"));
        return None;
    }
    Some(values)
}

fn literal_text(value: Expr) -> Option<LitStr> {
    match value {
        Expr::Lit(ExprLit { lit: Lit::Str(text), .. }) if !text.value().trim().is_empty() => {
            Some(text)
        }
        _ => None,
    }
}

pub(crate) fn integer<N: std::str::FromStr>(
    meta: &Meta,
    errors: &mut Errors,
    expected: &str,
) -> Option<N> {
    let number = match value(meta) {
        Some(Expr::Lit(ExprLit { lit: Lit::Int(number), .. })) => {
            number.base10_digits().parse().ok()
        }
        _ => None,
    };
    if number.is_none() {
        errors.push(place(meta), format!("`{}` takes {expected}", key_of(meta)));
    }
    number
}

pub(crate) fn duration(meta: &Meta, errors: &mut Errors) -> Option<u64> {
    let expected =
        "a duration with its unit: `timeout = \"30 s\"`, \"500 ms\", \"10 min\", \"1 h\"";
    let text = text(meta, errors, expected)?;
    let milliseconds = match humantime::parse_duration(&text.value()) {
        Ok(duration) => u64::try_from(duration.as_millis()),
        Err(error) => {
            errors.push(text, format!("`timeout` takes {expected} ({error})"));
            return None;
        }
    };
    match milliseconds {
        Ok(0) => {
            errors.push(text, "a timeout below a millisecond would fail every case: give it more");
            None
        }
        Ok(milliseconds) => Some(milliseconds),
        Err(_) => {
            errors.push(text, "a timeout of this length never comes: leave it out");
            None
        }
    }
}

pub(crate) fn memory(meta: &Meta, errors: &mut Errors) -> Option<u64> {
    const MIB: u64 = 1 << 20;
    let expected = "an amount of memory with its unit: `vram = \"20 GiB\"`, \"512 MiB\"";
    let text = text(meta, errors, expected)?;
    let has_unit = text.value().trim_end().ends_with(|last: char| last.is_ascii_alphabetic());
    match text.value().parse::<bytesize::ByteSize>() {
        Ok(size) if has_unit && size.as_u64() > 0 => Some(size.as_u64().div_ceil(MIB)),
        _ => {
            errors.push(text, format!("`vram` takes {expected}"));
            None
        }
    }
}

pub(crate) fn capability(meta: &Meta, errors: &mut Errors) -> Option<(u32, u32)> {
    let expected = "the least compute capability, in quotes: `compute_capability = \"9.0\"`";
    let text = text(meta, errors, expected)?;
    let value = text.value();
    let read = value.split_once('.').and_then(|(major, minor)| {
        let digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
        let both = digits(major) && digits(minor);
        both.then(|| Some((major.parse().ok()?, minor.parse().ok()?))).flatten()
    });
    if read.is_none() {
        errors.push(text, format!("`compute_capability` takes {expected}"));
    }
    read
}

pub(crate) fn environment(meta: &Meta, errors: &mut Errors) -> Vec<(String, LitStr)> {
    let expected = "`env` takes variables with their values: `env(RUST_LOG = \"debug\")`";
    let Meta::List(list) = meta else {
        errors.push(meta, expected);
        return Vec::new();
    };
    let pairs = match list.parse_args_with(Punctuated::<Meta, Token![,]>::parse_terminated) {
        Ok(pairs) => pairs,
        Err(error) => {
            errors.unreadable(&error, expected);
            return Vec::new();
        }
    };
    if pairs.is_empty() {
        errors.push(meta, expected);
    }
    let mut variables: Vec<(String, LitStr)> = Vec::new();
    for pair in &pairs {
        let (Some(name), Some(Expr::Lit(ExprLit { lit: Lit::Str(value), .. }))) =
            (pair.path().get_ident(), value(pair))
        else {
            errors.push(pair, expected);
            continue;
        };
        let name_text = name.to_string();
        if variables.iter().any(|(earlier, _)| *earlier == name_text) {
            errors.push(name, format!("`{name_text}` is given twice: remove one of them"));
        } else {
            variables.push((name_text, value.clone()));
        }
    }
    variables
}
