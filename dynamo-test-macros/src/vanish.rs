//! Tests that `harness = false` would drop: rustc removes a `#[test]` function without a word where it does not run
//! its own harness. `main!` looks for them in the target's sources.

use std::fs;
use std::path::{Path, PathBuf};

use proc_macro2::{Delimiter, Group, Span, TokenStream, TokenTree};
use quote::quote;

/// A `compile_error!` that names each test of the target which would vanish; nothing where there is none.
pub(crate) fn refuse_vanishing_tests() -> TokenStream {
    // The file that holds `main!` is the root of the target.
    let Some(root) = Span::call_site().unwrap().local_file() else {
        return TokenStream::new();
    };
    let vanishing = vanishing_tests(&root);
    if vanishing.is_empty() {
        return TokenStream::new();
    }
    let message = format!(
        "`harness = false` would drop these tests without a word:\n{}\n\
         write #[dynamo_test] instead of their test attribute; plain #[test] and #[rstest] also stay with \
         `#[macro_use] extern crate dynamo_test;` at the crate's root",
        vanishing.join("\n")
    );
    quote! { ::core::compile_error!(#message); }
}

/// The vanishing tests of the target with this root: `  file:line: name (#[attribute])`.
fn vanishing_tests(root: &Path) -> Vec<String> {
    let Some(tokens) = read(root) else { return Vec::new() };
    let mut scan = Scan { plain_is_ours: shadows_plain_test(tokens.clone()), found: Vec::new() };
    // `main!` may stand in a module of the target's root folder: `mod` statements look beside it.
    let folder = root.parent().unwrap_or(Path::new("")).to_owned();
    scan.tokens(tokens, root, &folder);
    scan.found
}

/// The tokens of a source file; none if rustc will not be able to read it either, and will say so.
fn read(path: &Path) -> Option<TokenStream> {
    fs::read_to_string(path).ok()?.parse().ok()
}

/// Whether the crate's root says `#[macro_use] extern crate dynamo_test;`, by which `#[test]` is the library's.
fn shadows_plain_test(tokens: TokenStream) -> bool {
    let tokens: Vec<String> = tokens.into_iter().map(|token| token.to_string()).collect();
    tokens.windows(5).any(|window| {
        window[0] == "#"
            && window[1].replace(' ', "") == "[macro_use]"
            && window[2] == "extern"
            && window[3] == "crate"
            && window[4] == "dynamo_test"
    })
}

/// Attributes of well-known crates that write `#[test]` functions.
const WRITE_TESTS: [&str; 6] =
    ["rstest", "test_case", "test_matrix", "quickcheck", "proptest", "wasm_bindgen_test"];

struct Scan {
    plain_is_ours: bool,
    found: Vec<String>,
}

/// An attribute: its path, and whether it has arguments.
struct Attribute {
    path: Vec<String>,
    arguments: bool,
}

impl Attribute {
    fn of(group: &Group) -> Self {
        let mut path = Vec::new();
        let mut arguments = false;
        for token in group.stream() {
            match token {
                TokenTree::Ident(segment) if !arguments => path.push(segment.to_string()),
                TokenTree::Punct(colon) if colon.as_char() == ':' => {}
                _ => arguments = true,
            }
        }
        Self { path, arguments }
    }

    fn is(&self, name: &str) -> bool {
        self.path.last().is_some_and(|last| last == name)
    }

    fn is_ours(&self) -> bool {
        self.is("dynamo_test") || self.path.first().is_some_and(|first| first == "dynamo_test")
    }
}

impl Scan {
    /// Scans a file's tokens, or a part of them, whose modules are files in `folder`.
    fn tokens(&mut self, tokens: TokenStream, file: &Path, folder: &Path) {
        let mut attributes: Vec<Attribute> = Vec::new();
        let mut path_attribute: Option<String> = None;
        let imports_ours = imports_our_test(tokens.clone());
        let mut tokens = tokens.into_iter().peekable();
        while let Some(token) = tokens.next() {
            match token {
                TokenTree::Punct(punct) if punct.as_char() == '#' => {
                    if let Some(TokenTree::Group(group)) = tokens.peek()
                        && group.delimiter() == Delimiter::Bracket
                    {
                        attributes.push(Attribute::of(group));
                        path_attribute = path_value(group).or(path_attribute);
                        tokens.next();
                    }
                }
                TokenTree::Punct(punct) if punct.as_char() == ';' => {
                    attributes.clear();
                    path_attribute = None;
                }
                TokenTree::Ident(name) if name == "include" => {
                    let call: Vec<TokenTree> = tokens.by_ref().take(2).collect();
                    if let [TokenTree::Punct(_), TokenTree::Group(path)] = &call[..] {
                        self.include(path, file, folder);
                    }
                }
                TokenTree::Ident(keyword) if keyword == "fn" => {
                    if let Some(attribute) = self.dropped(&attributes, imports_ours) {
                        let name = tokens.peek().map(ToString::to_string).unwrap_or_default();
                        self.report(file, &name, attribute);
                    }
                }
                TokenTree::Ident(keyword) if keyword == "mod" => {
                    let Some(TokenTree::Ident(name)) = tokens.next() else { continue };
                    let name = name.to_string();
                    let below = folder.join(name.trim_start_matches("r#"));
                    match tokens.next() {
                        Some(TokenTree::Group(inline)) => {
                            self.tokens(inline.stream(), file, &below)
                        }
                        _ => self.module(path_attribute.take(), file, &below),
                    }
                    attributes.clear();
                }
                TokenTree::Group(group) => {
                    self.tokens(group.stream(), file, folder);
                    if group.delimiter() == Delimiter::Brace {
                        attributes.clear();
                        path_attribute = None;
                    }
                }
                _ => {}
            }
        }
    }

    /// Scans the file of `include!("…")`.
    fn include(&mut self, path: &Group, file: &Path, folder: &Path) {
        let Ok(path) = syn::parse2::<syn::LitStr>(path.stream()) else { return };
        let path = file.parent().unwrap_or(Path::new("")).join(path.value());
        if let Some(tokens) = read(&path) {
            self.tokens(tokens, &path, folder);
        }
    }

    /// Scans the file of `mod name;`, where `below` is the module's folder.
    fn module(&mut self, path: Option<String>, file: &Path, below: &Path) {
        let own_folder = file.parent().unwrap_or(Path::new(""));
        let candidates: Vec<(PathBuf, PathBuf)> = match path {
            Some(path) => {
                let path = own_folder.join(path);
                let folder = path.parent().unwrap_or(Path::new("")).to_owned();
                vec![(path, folder)]
            }
            None => vec![
                (below.with_extension("rs"), below.to_owned()),
                (below.join("mod.rs"), below.to_owned()),
            ],
        };
        let found =
            candidates.into_iter().find_map(|(path, folder)| Some((read(&path)?, path, folder)));
        if let Some((tokens, path, folder)) = found {
            self.tokens(tokens, &path, &folder);
        }
    }

    /// The attribute by which a function is a test that would be dropped.
    fn dropped<'a>(
        &self,
        attributes: &'a [Attribute],
        imports_ours: bool,
    ) -> Option<&'a Attribute> {
        if attributes.iter().any(Attribute::is_ours) {
            return None;
        }
        attributes.iter().find(|attribute| {
            // The standard `#[test]` takes no arguments.
            let plain = attribute.path.len() == 1;
            let ours = plain && (self.plain_is_ours || imports_ours || attribute.arguments);
            let writes_tests = WRITE_TESTS.iter().any(|name| attribute.is(name));
            attribute.is("test") && !ours || writes_tests && !self.plain_is_ours
        })
    }

    fn report(&mut self, file: &Path, name: &str, attribute: &Attribute) {
        let attribute = attribute.path.join("::");
        let line = line_of(file, name);
        self.found.push(format!("  {}:{line}: {name} (#[{attribute}])", file.display()));
    }
}

/// The line of a function. Tokens that a macro reads from text do not know theirs.
fn line_of(file: &Path, function: &str) -> usize {
    let text = fs::read_to_string(file).unwrap_or_default();
    let is_here = |line: &str| {
        let Some((_, after)) = line.split_once("fn ") else { return false };
        let name = after.split(|character: char| !character.is_alphanumeric() && character != '_');
        name.into_iter().next() == Some(function)
    };
    text.lines().position(is_here).map_or(1, |index| index + 1)
}

/// The value of `#[path = "…"]`.
fn path_value(attribute: &Group) -> Option<String> {
    let meta: syn::MetaNameValue = syn::parse2(attribute.stream()).ok()?;
    match meta.value {
        syn::Expr::Lit(syn::ExprLit { lit: syn::Lit::Str(path), .. })
            if meta.path.is_ident("path") =>
        {
            Some(path.value())
        }
        _ => None,
    }
}

/// Whether these items import the library's `test`, by which `#[test]` below is ours: `use dynamo_test::test;`.
fn imports_our_test(tokens: TokenStream) -> bool {
    let words: Vec<String> = tokens.into_iter().map(|token| token.to_string()).collect();
    words.split(|word| word == ";").any(|statement| {
        let start = statement.iter().position(|word| word == "use");
        let Some(import) = start.map(|start| statement[start..].concat()) else { return false };
        let is_ours =
            import.starts_with("usedynamo_test::") || import.starts_with("use::dynamo_test::");
        let names =
            import.split(|character: char| !character.is_alphanumeric() && character != '_');
        is_ours && names.into_iter().any(|name| name == "test")
    })
}
