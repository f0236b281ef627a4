//! What `#[dynamo_test]` becomes: a registration for the custom harness, and a `#[test]` of the same name that
//! rustc keeps only where the stock harness runs.

use proc_macro2::{Delimiter, Group, Span, TokenStream};
use quote::{ToTokens, quote, quote_spanned};
use syn::ext::IdentExt;
use syn::spanned::Spanned;
use syn::{Attribute, Ident, LitStr, PatType, ReturnType, Visibility};

use crate::errors::Errors;
use crate::function::{self, Function, Standard};
use crate::parse::{Attributes, Flavor, Quarantine, Xfail};

/// Where the library looks for definitions of its own version.
const SECTION: &str = concat!(
    "dynamo_",
    env!("CARGO_PKG_VERSION_MAJOR"),
    "_",
    env!("CARGO_PKG_VERSION_MINOR"),
    "_",
    env!("CARGO_PKG_VERSION_PATCH")
);

/// Where a case runs.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Thread {
    /// Where its process has it run.
    Any,
    /// On one of its own, under its name, as libtest has it.
    Own,
}

/// Expands the attribute. Where something is wrong the function is emitted all the same, so that an editor still
/// knows it.
pub(crate) fn dynamo_test(
    arguments: TokenStream,
    item: TokenStream,
    thread: Thread,
) -> TokenStream {
    let mut function = match syn::parse2::<Function>(item.clone()) {
        Ok(function) => function,
        Err(error) => {
            let message = format!("`#[dynamo_test]` goes on a function ({error})");
            let error = syn::Error::new(error.span(), message).into_compile_error();
            return quote! { #error #item };
        }
    };
    let mut errors = Errors::default();
    let attributes = Attributes::parse(arguments, &function, &mut errors);
    let standard = Standard::take(&mut function, &mut errors);
    let fixtures = function::fixtures(&mut function, &mut errors);
    if let Some(errors) = errors.into_compile_errors() {
        return quote! { #errors #[allow(dead_code)] #function };
    }

    // Inside the constant below, `pub` reaches nobody, and a lint says so.
    function.vis = Visibility::Inherited;
    // A fixture is taken by value also where a reference would do.
    let by_value =
        (!fixtures.is_empty()).then(|| quote! { #[allow(clippy::needless_pass_by_value)] });
    let name = &function.sig.ident;
    let path = {
        let name = LitStr::new(&name.unraw().to_string(), name.span());
        quote! { ::core::concat!(::core::module_path!(), "::", #name) }
    };
    let definition = definition(&path, &attributes, &standard, &function, &fixtures, thread);
    let cfg: Vec<&Attribute> =
        function.attrs.iter().filter(|attribute| attribute.path().is_ident("cfg")).collect();
    let ignore = standard.ignore.as_ref().map(|reason| match reason {
        Some(reason) => quote! { #[ignore = #reason] },
        None => quote! { #[ignore] },
    });
    let in_section = in_section();
    quote! {
        #(#cfg)*
        const _: () = {
            #by_value
            #function
            #in_section
            static __DYNAMO_TEST: ::dynamo_test::__private::Definition = #definition;
        };
        #(#cfg)*
        #[::core::prelude::v1::test]
        #ignore
        fn #name() {
            ::dynamo_test::__private::run_under_stock_harness(#path)
        }
    }
}

/// Has a static lie in the section where the library looks for definitions.
fn in_section() -> TokenStream {
    let apple = format!("__DATA,{SECTION}");
    quote! {
        #[used]
        #[cfg_attr(target_vendor = "apple", unsafe(link_section = #apple))]
        #[cfg_attr(not(target_vendor = "apple"), unsafe(link_section = #SECTION))]
    }
}

/// The `main` function, after what must be said before it.
pub(crate) fn main(refusal: TokenStream) -> TokenStream {
    let in_section = in_section();
    quote! {
        #refusal
        fn main() -> ::std::process::ExitCode {
            #in_section
            static SECTION: ::dynamo_test::__private::Section =
                ::dynamo_test::__private::Section::HERE;
            ::dynamo_test::__private::main(&::dynamo_test::__private::Target {
                package: ::core::env!("CARGO_PKG_NAME"),
                crate_name: ::core::env!("CARGO_CRATE_NAME"),
                binary: ::core::option_env!("CARGO_BIN_NAME"),
                target_tmpdir: ::core::option_env!("CARGO_TARGET_TMPDIR"),
                section: &SECTION,
            })
        }
    }
}

/// The `Definition` that the registry collects.
fn definition(
    path: &TokenStream,
    attributes: &Attributes,
    standard: &Standard,
    function: &Function,
    fixtures: &[PatType],
    thread: Thread,
) -> TokenStream {
    let Attributes {
        markers,
        gpus,
        vram_mib,
        compute_capability,
        gpu_model,
        timeout_ms,
        skip,
        xfail,
        quarantine,
        isolated,
        catches_panics,
        env,
        serial,
        runtime,
    } = attributes;
    let mut fields = TokenStream::new();
    let mut set = |field: &str, value: TokenStream| {
        let field = Ident::new(field, Span::call_site());
        fields.extend(quote! { #field: #value, });
    };
    if let Some(gpus) = gpus {
        set("gpus", quote! { #gpus });
    }
    for (field, value) in [("vram_mib", vram_mib), ("timeout_ms", timeout_ms)] {
        if let Some(value) = value {
            set(field, some(value));
        }
    }
    if let Some((major, minor)) = compute_capability {
        set("compute_capability", some(quote! { (#major, #minor) }));
    }
    for (field, value) in [("gpu_model", gpu_model), ("skip", skip), ("serial", serial)] {
        if let Some(value) = value {
            set(field, some(value));
        }
    }
    if let Some(Xfail { reason, strict }) = xfail {
        set(
            "xfail",
            some(quote! { ::dynamo_test::__private::Xfail { reason: #reason, strict: #strict } }),
        );
    }
    if let Some(Quarantine { ticket, until }) = quarantine {
        set(
            "quarantine",
            some(
                quote! { ::dynamo_test::__private::Quarantine { ticket: #ticket, until: #until } },
            ),
        );
    }
    let own_thread = thread == Thread::Own;
    for (field, is_set) in
        [("isolated", *isolated), ("own_thread", own_thread), ("catches_panics", *catches_panics)]
    {
        if is_set {
            set(field, quote! { true });
        }
    }
    if !env.is_empty() {
        let (names, values): (Vec<_>, Vec<_>) =
            env.iter().map(|(name, value)| (name, value)).unzip();
        set("env", quote! { &[#((#names, #values)),*] });
    }
    if let Some(reason) = &standard.ignore {
        set("ignore", some(option(reason)));
    }
    if let Some(expected) = &standard.should_panic {
        set("should_panic", some(option(expected)));
    }
    if runtime.flavor == Flavor::MultiThread {
        let threads = option(&runtime.worker_threads);
        set(
            "runtime",
            quote! { ::dynamo_test::__private::Runtime::MultiThread { worker_threads: #threads } },
        );
    } else if function.sig.asyncness.is_none() && !fixtures.is_empty() {
        // While a sync function runs, nobody drives a runtime of one thread, and what its fixtures spawned would
        // stand still.
        set(
            "runtime",
            quote! { ::dynamo_test::__private::Runtime::MultiThread {
                worker_threads: ::core::option::Option::Some(1),
            } },
        );
    } else if runtime.start_paused {
        set(
            "runtime",
            quote! { ::dynamo_test::__private::Runtime::CurrentThread { start_paused: true } },
        );
    }
    if !fixtures.is_empty() {
        let types = fixtures.iter().map(|fixture| &fixture.ty);
        set(
            "needs",
            quote! { |needs| { #(<#types as ::dynamo_test::__private::Argument>::needs(needs);)* } },
        );
    }
    let body = body(function, fixtures);
    let private = quote! { ::dynamo_test::__private };
    let settings = if fields.is_empty() {
        quote! { #private::Settings::usual() }
    } else {
        quote! { &#private::Settings { #fields ..#private::Settings::USUAL } }
    };
    let markers = if markers.is_empty() {
        quote! { &[] }
    } else {
        // The names resolve here, under the user's own spans: to the built-in constants, else to what the user
        // imported. So a misspelt one is rustc's error, with rustc's suggestion.
        quote! {{
            #[allow(unused_imports)]
            use #private::markers::*;
            &[#(#markers),*]
        }}
    };
    quote! {
        #private::Definition {
            path: #path,
            file: ::core::file!(),
            line: ::core::line!(),
            markers: #markers,
            settings: #settings,
            body: #body,
        }
    }
}

/// How the harness calls the function: plainly, or after its fixtures were made.
fn body(function: &Function, fixtures: &[PatType]) -> TokenStream {
    let arguments: Vec<Ident> = (0..fixtures.len())
        .map(|index| Ident::new(&format!("argument_{index}"), Span::mixed_site()))
        .collect();
    let is_async = function.sig.asyncness.is_some();
    let call = call(function, &arguments);
    let result = quote! { ::dynamo_test::__private::IntoTestResult::into_test_result(#call) };
    let private = quote! { ::dynamo_test::__private };
    if fixtures.is_empty() {
        let name = &function.sig.ident;
        // Most functions return nothing, and for them rustc has less to do.
        let returns = !matches!(function.sig.output, ReturnType::Default);
        return match (is_async, returns) {
            (true, true) => {
                quote! { #private::Body::Async(#private::AsyncFunction::Returns(
                    || ::std::boxed::Box::pin(async { #result }),
                )) }
            }
            (true, false) => {
                quote! { #private::Body::Async(#private::AsyncFunction::ReturnsNothing(
                    || ::std::boxed::Box::pin(#name()),
                )) }
            }
            (false, true) => {
                quote! { #private::Body::Sync(#private::SyncFunction::Returns(|| #result)) }
            }
            (false, false) => {
                quote! { #private::Body::Sync(#private::SyncFunction::ReturnsNothing(#name)) }
            }
        };
    }
    let made = fixtures.iter().zip(&arguments).map(|(fixture, argument)| {
        let (ty, shown) = (&fixture.ty, shown(fixture));
        // The same path as in `needs`, so that rustc says once what is wrong with the type.
        quote! {
            let #argument = <#ty as #private::Argument>::make_named(&context, #shown).await?;
        }
    });
    let prepared = if is_async {
        quote! { #private::Prepared::Async(::std::boxed::Box::pin(async move { #result })) }
    } else {
        quote! { #private::Prepared::Sync(::std::boxed::Box::new(move || #result)) }
    };
    quote! {
        #private::Body::WithFixtures(|context| ::std::boxed::Box::pin(async move {
            #(#made)*
            ::core::result::Result::Ok(#prepared)
        }))
    }
}

/// The call of the function, located at its return type, which is what may be wrong with it.
fn call(function: &Function, arguments: &[Ident]) -> TokenStream {
    let mut name = function.sig.ident.clone();
    let mut arguments = Group::new(Delimiter::Parenthesis, quote! { #(#arguments),* });
    let mut last = name.span();
    if let ReturnType::Type(_, ty) = &function.sig.output {
        last = ty.to_token_stream().into_iter().last().map_or(last, |token| token.span());
        name.set_span(ty.span().resolved_at(name.span()));
    }
    arguments.set_span(last.resolved_at(name.span()));
    match &function.sig.asyncness {
        Some(_) => quote_spanned! { last=> #name #arguments.await },
        None => quote! { #name #arguments },
    }
}

/// An argument as errors name it: `nats: Nats`.
fn shown(fixture: &PatType) -> String {
    let ty = fixture.ty.to_token_stream().to_string().replace(' ', "");
    match &*fixture.pat {
        syn::Pat::Ident(name) => format!("{}: {ty}", name.ident),
        _ => ty,
    }
}

fn some(value: impl ToTokens) -> TokenStream {
    quote! { ::core::option::Option::Some(#value) }
}

fn option(value: &Option<impl ToTokens>) -> TokenStream {
    match value {
        Some(value) => some(value),
        None => quote! { ::core::option::Option::None },
    }
}
