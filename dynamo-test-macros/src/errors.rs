//! Mistakes: collected, so that a user sees all of them at once.

use proc_macro2::TokenStream;
use quote::ToTokens;

/// Mistakes, in the order in which they were found.
#[derive(Default)]
pub(crate) struct Errors(Vec<syn::Error>);

impl Errors {
    /// A mistake in `place`. Its tokens rather than their span, which on stable Rust is that of the first alone.
    pub(crate) fn push(&mut self, place: impl ToTokens, message: impl std::fmt::Display) {
        self.0.push(syn::Error::new_spanned(place, message));
    }

    /// What `syn` could not read.
    pub(crate) fn unreadable(&mut self, error: &syn::Error, expected: &str) {
        self.0.push(syn::Error::new(error.span(), format!("{error}: {expected}")));
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
