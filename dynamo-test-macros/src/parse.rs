//! The attribute's grammar: what stands between the parentheses of `#[dynamo_test(…)]`. Every mistake is collected,
//! none stops the reading.

use proc_macro2::TokenStream;
use quote::ToTokens;

use syn::parse::{ParseStream, Parser};
use syn::punctuated::Punctuated;
use syn::{Expr, ExprLit, Ident, Lit, LitStr, Meta, Path, Token};

use crate::errors::Errors;
use crate::function::Function;
use crate::values::{
    capability, duration, environment, integer, memory, place, quarantine, reason, text, value,
    xfail,
};

/// What the attribute says.
#[derive(Default)]
pub(crate) struct Attributes {
    pub(crate) markers: Vec<Ident>,
    pub(crate) gpus: Option<u32>,
    pub(crate) vram_mib: Option<u64>,
    pub(crate) compute_capability: Option<(u32, u32)>,
    pub(crate) gpu_model: Option<LitStr>,
    pub(crate) timeout_ms: Option<u64>,
    pub(crate) skip: Option<LitStr>,
    pub(crate) xfail: Option<Xfail>,
    pub(crate) quarantine: Option<Quarantine>,
    pub(crate) isolated: bool,
    pub(crate) catches_panics: bool,
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
    pub(crate) flavor: Flavor,
    pub(crate) worker_threads: Option<usize>,
    pub(crate) start_paused: bool,
}

#[derive(Default, PartialEq)]
pub(crate) enum Flavor {
    #[default]
    CurrentThread,
    MultiThread,
    /// A mistake, of which one message is enough.
    Unknown,
}

const KEYS: [&str; 15] = [
    "gpus",
    "vram",
    "compute_capability",
    "gpu_model",
    "timeout",
    "skip",
    "xfail",
    "quarantine",
    "env",
    "serial",
    "isolated",
    "catches_panics",
    "flavor",
    "worker_threads",
    "start_paused",
];

impl Attributes {
    /// Reads the attribute's arguments for `function`.
    pub(crate) fn parse(arguments: TokenStream, function: &Function, errors: &mut Errors) -> Self {
        let mut attributes = Self::default();
        let metas = (|input: ParseStream| Punctuated::<Meta, Token![,]>::parse_terminated(input))
            .parse2(arguments);
        let metas = match metas {
            Ok(metas) => metas,
            Err(error) => {
                let expected = "markers and `key = value` stand here, separated by commas";
                errors.unreadable(&error, expected);
                return attributes;
            }
        };
        let mut seen: Vec<(String, Ident)> = Vec::new();
        for meta in metas {
            let Some(name) = meta.path().get_ident().cloned() else {
                errors.push(meta.path(), by_its_name_alone(meta.path()));
                continue;
            };
            let key = canonical_key(&name);
            if let Some((_, earlier)) = seen.iter().find(|(earlier, _)| *earlier == key) {
                let message = if *earlier == name {
                    format!("`{name}` is given twice: remove one of them")
                } else {
                    format!("`{earlier}` and `{name}` both say how many GPUs: remove one of them")
                };
                errors.push(name, message);
                continue;
            }
            attributes.read(&name, &meta, errors);
            seen.push((key, name));
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
                    self.need_gpus(count, name, errors);
                }
            }
            "vram" => self.vram_mib = memory(meta, errors),
            "compute_capability" => self.compute_capability = capability(meta, errors),
            "gpu_model" => {
                self.gpu_model =
                    text(meta, errors, "a part of the GPU's name: `gpu_model = \"H100\"`");
            }
            "timeout" => self.timeout_ms = duration(meta, errors),
            "skip" => self.skip = reason(meta, errors),
            "xfail" => self.xfail = xfail(meta, errors),
            "quarantine" => self.quarantine = quarantine(meta, errors),
            "serial" => {
                self.serial =
                    text(meta, errors, "the name of a group: `serial = \"device-files\"`");
            }
            "isolated" => self.isolated = word(name, meta, errors),
            "catches_panics" => self.catches_panics = word(name, meta, errors),
            "env" => self.env = environment(meta, errors),
            "flavor" => {
                let expected = "\"current_thread\" or \"multi_thread\"";
                if let Some(flavor) = text(meta, errors, expected) {
                    match flavor.value().as_str() {
                        "current_thread" => {}
                        "multi_thread" => self.runtime.flavor = Flavor::MultiThread,
                        other => {
                            self.runtime.flavor = Flavor::Unknown;
                            let message = format!(
                                "no runtime flavor `{other}`: use \"current_thread\" or \"multi_thread\""
                            );
                            errors.push(flavor, message);
                        }
                    }
                }
            }
            "worker_threads" => {
                let expected = "a number of threads, 1 or more: `worker_threads = 2`";
                match integer::<usize>(meta, errors, expected) {
                    Some(0) => {
                        errors.push(place(meta), format!("`worker_threads` takes {expected}"))
                    }
                    threads => self.runtime.worker_threads = threads,
                }
            }
            "start_paused" => match value(meta) {
                Some(Expr::Lit(ExprLit { lit: Lit::Bool(paused), .. })) => {
                    self.runtime.start_paused = paused.value;
                }
                _ => errors.push(
                    place(meta),
                    "`start_paused` takes `true` or `false`: `start_paused = true`",
                ),
            },
            _ => match (meta, derived_gpus(&key)) {
                (Meta::Path(_), Some(count)) => self.need_gpus(count, name, errors),
                (Meta::Path(_), None) => self.markers.push(name.clone()),
                _ => errors.push(name, format!("no key `{key}`: {}", key_help(&key))),
            },
        }
    }

    fn need_gpus(&mut self, count: u32, name: &Ident, errors: &mut Errors) {
        if count > 0 && !cfg!(feature = "gpu") {
            errors.push(
                name,
                "a case with GPUs needs dynamo-test's feature `gpu`: dynamo-test = { features = [\"gpu\"], … }",
            );
        }
        self.gpus = Some(count);
    }

    /// What no key can tell alone.
    fn check(&self, seen: &[(String, Ident)], function: &Function, errors: &mut Errors) {
        let find = |key: &str| seen.iter().find(|(name, _)| name == key).map(|(_, name)| name);
        for (key, speaks_of) in [
            ("vram", "memory of each GPU"),
            ("compute_capability", "what each GPU must be capable of"),
            ("gpu_model", "the name of each GPU"),
        ] {
            if let Some(name) = find(key)
                && (find("gpus").is_none() || self.gpus == Some(0))
            {
                let message = format!("`{key}` is {speaks_of}: say how many with `gpus = 1`");
                errors.push(name, message);
            }
        }
        let visible = self.env.iter().find(|(variable, _)| variable == "CUDA_VISIBLE_DEVICES");
        if let (Some((_, value)), Some(1..)) = (visible, self.gpus) {
            errors.push(
                value,
                "`CUDA_VISIBLE_DEVICES` is set to the GPUs that the case gets: remove it, or `gpus`",
            );
        }
        if function.sig.asyncness.is_none() {
            for name in ["flavor", "worker_threads", "start_paused"].into_iter().filter_map(find) {
                let message = format!(
                    "`{name}` is for async functions: make this one `async fn`, or remove it"
                );
                errors.push(name, message);
            }
            return;
        }
        if let (Some(name), Flavor::CurrentThread) = (find("worker_threads"), &self.runtime.flavor)
        {
            errors.push(name, "`worker_threads` goes with `flavor = \"multi_thread\"`: add it");
        }
        if let (Some(name), Flavor::MultiThread) = (find("start_paused"), &self.runtime.flavor) {
            errors.push(
                name,
                "`start_paused` goes with the current_thread flavor: tokio pauses time only there",
            );
        }
    }
}

/// Whether a key that says all by itself stands alone.
fn word(name: &Ident, meta: &Meta, errors: &mut Errors) -> bool {
    let alone = matches!(meta, Meta::Path(_));
    if !alone {
        errors.push(meta, format!("`{name}` takes no value: write the word alone"));
    }
    alone
}

/// What to do instead of `markers::gaudi`, or of `module::key = value`.
fn by_its_name_alone(path: &Path) -> String {
    let name = path.segments.last().map(|last| last.ident.to_string()).unwrap_or_default();
    let path = path.to_token_stream().to_string().replace(' ', "");
    format!("a marker is written by its name alone: `use {path};`, then `{name}` here")
}

fn key_help(unknown: &str) -> String {
    let similarity = |key: &&str| strsim::jaro_winkler(unknown, key);
    let near = KEYS
        .into_iter()
        .filter(|key| similarity(key) > 0.8)
        .max_by(|one, other| similarity(one).total_cmp(&similarity(other)));
    match near {
        Some(near) => format!("did you mean `{near}`?"),
        None => format!("the keys are {}; a marker takes no value", KEYS.join(", ")),
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
