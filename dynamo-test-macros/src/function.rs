//! What the function under `#[dynamo_test]` may look like: its own attributes, and its signature.

use proc_macro2::{Delimiter, Group, TokenStream, TokenTree};
use quote::ToTokens;
use syn::parse::{Parse, ParseStream};
use syn::{Attribute, FnArg, LitStr, Meta, PatType, Safety, Signature, Type, Visibility};

use crate::errors::Errors;
use crate::values::text;

/// A function. Its body stays as it is: rustc will read it, and to do so here as well would take as long.
pub(crate) struct Function {
    pub(crate) attrs: Vec<Attribute>,
    pub(crate) vis: Visibility,
    pub(crate) sig: Signature,
    body: Group,
}

impl Parse for Function {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        let attrs = Attribute::parse_outer(input)?;
        let (vis, sig) = (input.parse()?, input.parse()?);
        let start = input.fork();
        let body = braces(input.parse()?).ok_or_else(|| start.error("expected curly braces"))?;
        Ok(Self { attrs, vis, sig, body })
    }
}

/// The group in braces that this is, or is by way of a macro's `$body:block`.
fn braces(tree: TokenTree) -> Option<Group> {
    let TokenTree::Group(group) = tree else { return None };
    match group.delimiter() {
        Delimiter::Brace => Some(group),
        Delimiter::None => group.stream().into_iter().next().and_then(braces),
        Delimiter::Parenthesis | Delimiter::Bracket => None,
    }
}

impl ToTokens for Function {
    fn to_tokens(&self, tokens: &mut TokenStream) {
        let Self { attrs, vis, sig, body } = self;
        attrs.iter().for_each(|attribute| attribute.to_tokens(tokens));
        vis.to_tokens(tokens);
        sig.to_tokens(tokens);
        body.to_tokens(tokens);
    }
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
    /// Takes `#[ignore]` and `#[should_panic]` off the function, and what is wrong there; the rest stays on it.
    pub(crate) fn take(function: &mut Function, errors: &mut Errors) -> Self {
        let mut standard = Self::default();
        function.attrs.retain(|attribute| {
            let path = attribute.path();
            if path.is_ident("ignore") {
                standard.ignore = Some(ignore_reason(attribute, errors));
            } else if path.is_ident("should_panic") {
                standard.should_panic = Some(expected_panic(attribute, errors));
            } else if let Some(message) = misplaced(attribute) {
                errors.push(attribute, message);
            } else {
                return true;
            }
            false
        });
        standard
    }
}

/// Why an attribute cannot stand below `#[dynamo_test]`, which is expanded before it.
fn misplaced(attribute: &Attribute) -> Option<&'static str> {
    let last = attribute.path().segments.last()?;
    if last.ident == "test" || last.ident == "dynamo_test" {
        return Some(
            "`#[dynamo_test]` already makes this a test: remove this attribute, or the function runs twice",
        );
    }
    if last.ident == "rstest" {
        return Some(
            "`#[rstest]` writes the functions that are tests: put it above `#[dynamo_test]`",
        );
    }
    None
}

fn ignore_reason(attribute: &Attribute, errors: &mut Errors) -> Option<LitStr> {
    let expected = "a reason: `#[ignore = \"…\"]`";
    match &attribute.meta {
        Meta::Path(_) => None,
        meta => text(meta, errors, expected),
    }
}

fn expected_panic(attribute: &Attribute, errors: &mut Errors) -> Option<LitStr> {
    let expected = "a part of the panic's message: `#[should_panic(expected = \"…\")]`";
    match &attribute.meta {
        Meta::Path(_) => None,
        Meta::List(list) => match list.parse_args::<Meta>() {
            Ok(inner) if inner.path().is_ident("expected") => text(&inner, errors, expected),
            _ => {
                errors.push(&list.tokens, format!("`should_panic` takes {expected}"));
                None
            }
        },
        meta => text(meta, errors, expected),
    }
}

/// The function's arguments, each a fixture, without what is wrong with them.
pub(crate) fn fixtures(function: &mut Function, errors: &mut Errors) -> Vec<PatType> {
    let signature = &mut function.sig;
    let because = "a test function is called by the harness, which";
    if !signature.generics.params.is_empty() {
        errors.push(
            &signature.generics,
            format!(
                "{because} cannot choose generic arguments: write one function a type, or use rstest's #[case]"
            ),
        );
    }
    if let Some(token) = &signature.constness {
        errors.push(token, format!("{because} does so at run time: remove `const`"));
    }
    if let Safety::Unsafe(token) = &signature.safety {
        errors.push(
            token,
            format!("{because} cannot uphold a contract: remove `unsafe`, put it inside"),
        );
    }
    if let Some(abi) = &signature.abi {
        errors.push(abi, format!("{because} uses Rust's own ABI: remove `extern`"));
    }
    if let Some(variadic) = &signature.variadic {
        errors.push(variadic, "a test function takes fixtures only");
    }
    let mut fixtures = Vec::new();
    for input in &mut signature.inputs {
        match input {
            FnArg::Typed(argument) => {
                for attribute in argument.attrs.drain(..) {
                    errors.push(
                        attribute,
                        "an argument is a fixture and takes no attribute: with rstest, put `#[rstest]` above `#[dynamo_test]`",
                    );
                }
                if let Type::ImplTrait(unnamed) = &*argument.ty {
                    errors.push(
                        unnamed,
                        "an argument is made by its type: name the type, not a trait",
                    );
                }
                fixtures.push(argument.clone());
            }
            FnArg::Receiver(receiver) => {
                errors.push(receiver, "a test is a free function: move it out of the `impl`");
            }
        }
    }
    fixtures
}
