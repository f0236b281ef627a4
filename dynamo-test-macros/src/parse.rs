//! The attribute's grammar: what stands between the parentheses of `#[dynamo_test(…)]`, and what the function
//! under it may look like. Every mistake is collected, none stops the reading.

use proc_macro2::{Span, TokenStream};
use syn::parse::{ParseStream, Parser};
use syn::punctuated::Punctuated;
use syn::spanned::Spanned;
use syn::{Attribute, Expr, ExprLit, FnArg, Ident, ItemFn, Lit, LitStr, Meta, PatType, Token};

/// Mistakes, in the order of the source.
#[derive(Default)]
pub(crate) struct Errors(Vec<syn::Error>);

impl Errors {
    pub(crate) fn push(&mut self, span: Span, message: impl std::fmt::Display) {
        self.0.push(syn::Error::new(span, message));
    }

    /// All of them as `compile_error!` calls, or `None` where there are none.
    pub(crate) fn into_compile_errors(self) -> Option<TokenStream> {
        self.0
            .into_iter()
            .reduce(|mut all, next| {
                all.combine(next);
                all
            })
            .map(|all| all.into_compile_error())
    }
}

/// What the attribute says.
#[derive(Default)]
pub(crate) struct Attributes {
    pub(crate) markers: Vec<Ident>,
    pub(crate) gpus: Option<u32>,
    pub(crate) vram_mib: Option<u64>,
    pub(crate) timeout_ms: Option<u64>,
    pub(crate) skip: Option<LitStr>,
    pub(crate) xfail: Option<Xfail>,
    pub(crate) quarantine: Option<Quarantine>,
    pub(crate) isolated: bool,
    pub(crate) env: Vec<(String, LitStr)>,
    pub(crate) serial: Option<LitStr>,
    pub(crate) runtime: Runtime,
}

/// `xfail = "reason"` or `xfail(reason = "reason", strict = false)`.
pub(crate) struct Xfail {
    pub(crate) reason: LitStr,
    pub(crate) strict: bool,
}

/// `quarantine(ticket = "…", until = "2027-01-31")`.
pub(crate) struct Quarantine {
    pub(crate) ticket: LitStr,
    pub(crate) until: LitStr,
}

/// The tokio runtime that an async case runs in.
#[derive(Default)]
pub(crate) struct Runtime {
    pub(crate) multi_thread: bool,
    pub(crate) worker_threads: Option<usize>,
    pub(crate) start_paused: bool,
}

const KEYS: &str = "gpus, vram, timeout, skip, xfail, quarantine, env, serial, isolated, flavor, worker_threads, start_paused";

impl Attributes {
    /// Reads the attribute's arguments for `function`.
    pub(crate) fn parse(arguments: TokenStream, function: &ItemFn, errors: &mut Errors) -> Self {
        let mut attributes = Self::default();
        let metas = (|input: ParseStream| Punctuated::<Meta, Token![,]>::parse_terminated(input))
            .parse2(arguments);
        let metas = match metas {
            Ok(metas) => metas,
            Err(error) => {
                errors.push(error.span(), format!("expected a marker or `key = value` ({error})"));
                return attributes;
            }
        };
        let mut seen: Vec<(String, Span)> = Vec::new();
        for meta in metas {
            let Some(name) = meta.path().get_ident().cloned() else {
                errors.push(
                    meta.span(),
                    "a marker is written by its name alone: import it with `use`, then name it here",
                );
                continue;
            };
            let key = canonical_key(&name);
            if seen.iter().any(|(earlier, _)| *earlier == key) {
                errors.push(name.span(), format!("`{key}` is given twice: remove one of them"));
                continue;
            }
            seen.push((key, name.span()));
            attributes.read(&name, &meta, errors);
        }
        attributes.check(&seen, function, errors);
        attributes
    }

    fn read(&mut self, name: &Ident, meta: &Meta, errors: &mut Errors) {
        let key = name.to_string();
        match key.as_str() {
            "gpus" => {
                if let Some(count) =
                    integer::<u32>(meta, errors, "the number of GPUs, 0 or more: `gpus = 1`")
                {
                    self.need_gpus(count, name.span(), errors);
                }
            }
            "vram" => self.vram_mib = memory(meta, errors),
            "timeout" => self.timeout_ms = duration(meta, errors),
            "skip" => self.skip = reason(meta, errors),
            "xfail" => self.xfail = xfail(meta, errors),
            "quarantine" => self.quarantine = quarantine(meta, errors),
            "serial" => {
                self.serial =
                    text(meta, errors, "the name of a group: `serial = \"device-files\"`");
            }
            "isolated" => match meta {
                Meta::Path(_) => self.isolated = true,
                _ => errors.push(meta.span(), "`isolated` takes no value"),
            },
            "env" => self.env = environment(meta, errors),
            "flavor" => {
                if let Some(flavor) = text(meta, errors, "\"current_thread\" or \"multi_thread\"") {
                    match flavor.value().as_str() {
                        "current_thread" => {}
                        "multi_thread" => self.runtime.multi_thread = true,
                        other => errors.push(
                            flavor.span(),
                            format!("no runtime flavor `{other}`: use \"current_thread\" or \"multi_thread\""),
                        ),
                    }
                }
            }
            "worker_threads" => {
                let expected = "a number of threads, 1 or more: `worker_threads = 2`";
                match integer::<usize>(meta, errors, expected) {
                    Some(0) => {
                        errors.push(meta.span(), format!("`worker_threads` takes {expected}"))
                    }
                    threads => self.runtime.worker_threads = threads,
                }
            }
            "start_paused" => match value(meta) {
                Some(Expr::Lit(ExprLit { lit: Lit::Bool(paused), .. })) => {
                    self.runtime.start_paused = paused.value;
                }
                _ => errors.push(meta.span(), "`start_paused` takes `true` or `false`"),
            },
            _ => match (meta, derived_gpus(&key)) {
                (Meta::Path(_), Some(count)) => self.need_gpus(count, name.span(), errors),
                (Meta::Path(_), None) => self.markers.push(name.clone()),
                _ => errors.push(
                    name.span(),
                    format!("no key `{key}`: the keys are {KEYS}; a marker takes no value"),
                ),
            },
        }
    }

    fn need_gpus(&mut self, count: u32, span: Span, errors: &mut Errors) {
        if count > 0 && !cfg!(feature = "gpu") {
            errors.push(
                span,
                "a case with GPUs needs dynamo-test's feature `gpu`: dynamo-test = { features = [\"gpu\"], … }",
            );
        }
        self.gpus = Some(count);
    }

    /// What no key can tell alone.
    fn check(&self, seen: &[(String, Span)], function: &ItemFn, errors: &mut Errors) {
        let span_of = |key: &str| seen.iter().find(|(name, _)| name == key).map(|(_, span)| *span);
        if let (Some(span), None | Some(0)) = (span_of("vram"), self.gpus) {
            errors.push(span, "`vram` is memory of each GPU: say how many with `gpus = 1`");
        }
        if function.sig.asyncness.is_none() {
            for key in ["flavor", "worker_threads", "start_paused"] {
                if let Some(span) = span_of(key) {
                    errors.push(
                        span,
                        format!(
                            "`{key}` is for async functions: make this one `async fn`, or remove it"
                        ),
                    );
                }
            }
        }
        if let (Some(span), false) = (span_of("worker_threads"), self.runtime.multi_thread) {
            errors.push(span, "`worker_threads` goes with `flavor = \"multi_thread\"`");
        }
        if let (Some(span), true) = (span_of("start_paused"), self.runtime.multi_thread) {
            errors.push(
                span,
                "`start_paused` goes with the current_thread flavor: tokio pauses time only there",
            );
        }
    }
}

/// The key under which a name is compared with others: `gpu_1` and `gpus_needed_1` say `gpus`.
fn canonical_key(name: &Ident) -> String {
    let name = name.to_string();
    if derived_gpus(&name).is_some() { "gpus".into() } else { name }
}

/// `gpu_2` and `gpus_needed_2`, which mean `gpus = 2`.
fn derived_gpus(name: &str) -> Option<u32> {
    name.strip_prefix("gpus_needed_").or_else(|| name.strip_prefix("gpu_"))?.parse().ok()
}

fn value(meta: &Meta) -> Option<&Expr> {
    match meta {
        Meta::NameValue(pair) => Some(&pair.value),
        _ => None,
    }
}

fn key_of(meta: &Meta) -> String {
    meta.path().get_ident().map(ToString::to_string).unwrap_or_default()
}

/// Where to point: at the value if there is one.
fn place(meta: &Meta) -> Span {
    value(meta).map_or_else(|| meta.span(), Spanned::span)
}

fn text(meta: &Meta, errors: &mut Errors, expected: &str) -> Option<LitStr> {
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

fn reason(meta: &Meta, errors: &mut Errors) -> Option<LitStr> {
    let key = key_of(meta);
    text(
        meta,
        errors,
        &format!("a reason, which is shown when the case is not run as usual: `{key} = \"…\"`"),
    )
}

fn xfail(meta: &Meta, errors: &mut Errors) -> Option<Xfail> {
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
            errors.push(meta.span(), format!("expected {expected}"));
            None
        }
    }
}

fn quarantine(meta: &Meta, errors: &mut Errors) -> Option<Quarantine> {
    let expected = "`quarantine(ticket = \"…\", until = \"2027-01-31\")`";
    let [ticket, until] = pairs(meta, ["ticket", "until"], expected, errors)?;
    let (Some(ticket), Some(until)) = (ticket.and_then(literal_text), until.and_then(literal_text))
    else {
        errors.push(meta.span(), format!("expected {expected}"));
        return None;
    };
    // The date alone is no time; midnight makes it one.
    if humantime::parse_rfc3339(&format!("{}T00:00:00Z", until.value())).is_err() {
        errors.push(
            until.span(),
            format!("{:?} is no date: write year, month and day, \"2027-01-31\"", until.value()),
        );
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
                errors.push(pair.span(), format!("expected {expected}"));
                return None;
            }
        }
    }
    if values.iter().all(Option::is_none) {
        errors.push(meta.span(), format!("expected {expected}"));
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

fn integer<N: std::str::FromStr>(meta: &Meta, errors: &mut Errors, expected: &str) -> Option<N> {
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

fn duration(meta: &Meta, errors: &mut Errors) -> Option<u64> {
    let expected =
        "a duration with its unit: `timeout = \"30 s\"`, \"500 ms\", \"10 min\", \"1 h\"";
    let text = text(meta, errors, expected)?;
    match humantime::parse_duration(&text.value()) {
        Ok(duration) if !duration.is_zero() => u64::try_from(duration.as_millis()).ok(),
        Ok(_) => {
            errors.push(text.span(), "a timeout of nothing would fail every case: give it more");
            None
        }
        Err(error) => {
            errors.push(text.span(), format!("`timeout` takes {expected} ({error})"));
            None
        }
    }
}

fn memory(meta: &Meta, errors: &mut Errors) -> Option<u64> {
    const MIB: u64 = 1 << 20;
    let expected = "an amount of memory with its unit: `vram = \"20 GiB\"`, \"512 MiB\"";
    let text = text(meta, errors, expected)?;
    let has_unit = text.value().trim_end().ends_with(|last: char| last.is_ascii_alphabetic());
    match text.value().parse::<bytesize::ByteSize>() {
        Ok(size) if has_unit && size.as_u64() > 0 => Some(size.as_u64().div_ceil(MIB)),
        _ => {
            errors.push(text.span(), format!("`vram` takes {expected}"));
            None
        }
    }
}

fn environment(meta: &Meta, errors: &mut Errors) -> Vec<(String, LitStr)> {
    let expected = "`env` takes variables with their values: `env(RUST_LOG = \"debug\")`";
    let Meta::List(list) = meta else {
        errors.push(meta.span(), expected);
        return Vec::new();
    };
    let pairs =
        match list.parse_args_with(Punctuated::<syn::MetaNameValue, Token![,]>::parse_terminated) {
            Ok(pairs) => pairs,
            Err(error) => {
                errors.push(error.span(), expected);
                return Vec::new();
            }
        };
    let mut variables: Vec<(String, LitStr)> = Vec::new();
    for pair in pairs {
        match (pair.path.get_ident(), &pair.value) {
            (Some(name), Expr::Lit(ExprLit { lit: Lit::Str(value), .. })) => {
                let name_text = name.to_string();
                if variables.iter().any(|(earlier, _)| *earlier == name_text) {
                    errors.push(
                        name.span(),
                        format!("`{name_text}` is given twice: remove one of them"),
                    );
                } else {
                    variables.push((name_text, value.clone()));
                }
            }
            _ => errors.push(pair.span(), expected),
        }
    }
    variables
}

/// What the standard attributes on the function say; they are libtest's, with libtest's meaning.
#[derive(Default)]
pub(crate) struct Standard {
    /// `#[ignore]`, with its reason where it has one.
    pub(crate) ignore: Option<Option<LitStr>>,
    /// `#[should_panic]`, with the text that the message must contain where it has one.
    pub(crate) should_panic: Option<Option<LitStr>>,
}

impl Standard {
    /// Takes `#[ignore]` and `#[should_panic]` off the function; the rest stays on it.
    pub(crate) fn take(function: &mut ItemFn, errors: &mut Errors) -> Self {
        let mut standard = Self::default();
        function.attrs.retain(|attribute| {
            let path = attribute.path();
            if path.is_ident("ignore") {
                standard.ignore = Some(ignore_reason(attribute, errors));
            } else if path.is_ident("should_panic") {
                standard.should_panic = Some(expected_panic(attribute, errors));
            } else {
                if path.segments.last().is_some_and(|last| last.ident == "test") {
                    errors.push(
                        attribute.span(),
                        "`#[dynamo_test]` already makes this a test: remove this attribute, or the function runs twice",
                    );
                }
                return true;
            }
            false
        });
        standard
    }
}

fn ignore_reason(attribute: &Attribute, errors: &mut Errors) -> Option<LitStr> {
    match &attribute.meta {
        Meta::Path(_) => None,
        meta => text(meta, errors, "a reason: `#[ignore = \"…\"]`"),
    }
}

fn expected_panic(attribute: &Attribute, errors: &mut Errors) -> Option<LitStr> {
    let expected = "a part of the panic's message: `#[should_panic(expected = \"…\")]`";
    match &attribute.meta {
        Meta::Path(_) => None,
        Meta::List(list) => match list.parse_args::<Meta>() {
            Ok(inner) if inner.path().is_ident("expected") => text(&inner, errors, expected),
            _ => {
                errors.push(list.span(), format!("`should_panic` takes {expected}"));
                None
            }
        },
        meta => text(meta, errors, expected),
    }
}

/// The function's arguments, each a fixture.
pub(crate) fn fixtures<'a>(function: &'a ItemFn, errors: &mut Errors) -> Vec<&'a PatType> {
    let signature = &function.sig;
    let because = "a test function is called by the harness, which";
    if !signature.generics.params.is_empty() {
        errors.push(
            signature.generics.span(),
            format!("{because} cannot choose generic arguments: write one function a type, or use rstest's #[case]"),
        );
    }
    if let Some(token) = &signature.constness {
        errors.push(token.span(), format!("{because} does so at run time: remove `const`"));
    }
    if let Some(token) = &signature.unsafety {
        errors.push(
            token.span(),
            format!("{because} cannot uphold a contract: remove `unsafe`, put it inside"),
        );
    }
    if let Some(abi) = &signature.abi {
        errors.push(abi.span(), format!("{because} uses Rust's own ABI: remove `extern`"));
    }
    if let Some(variadic) = &signature.variadic {
        errors.push(variadic.span(), "a test function takes fixtures only");
    }
    signature
        .inputs
        .iter()
        .filter_map(|input| match input {
            FnArg::Typed(argument) => {
                if let Some(attribute) = argument.attrs.first() {
                    errors.push(
                        attribute.span(),
                        "an argument is a fixture and takes no attribute: with rstest, put #[rstest] above #[dynamo_test]",
                    );
                }
                Some(argument)
            }
            FnArg::Receiver(receiver) => {
                errors.push(receiver.span(), "a test is a free function: move it out of the `impl`");
                None
            }
        })
        .collect()
}
