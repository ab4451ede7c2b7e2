//! Signatures as plain words.

use proc_macro2::{Delimiter, TokenStream, TokenTree};
use quote::ToTokens;
use syn::Field;

use crate::words::push_words;

/// The words of arguments, result and bounds; the name is left to the caller.
pub(crate) fn function(signature: &syn::Signature) -> String {
    let mut tokens = TokenStream::new();
    for argument in &signature.inputs {
        match argument {
            syn::FnArg::Receiver(_) => {}
            syn::FnArg::Typed(argument) => {
                argument.pat.to_tokens(&mut tokens);
                argument.ty.to_tokens(&mut tokens);
            }
        }
    }
    signature.output.to_tokens(&mut tokens);
    let bounded = signature.generics.type_params().filter(|param| !param.bounds.is_empty());
    bounded.for_each(|param| param.to_tokens(&mut tokens));
    signature.generics.where_clause.to_tokens(&mut tokens);
    words(tokens)
}

/// The words of a struct's public fields and their types; of a tuple's types alone.
pub(crate) fn public_fields<'a>(fields: impl IntoIterator<Item = &'a Field>) -> String {
    field_words(fields.into_iter().filter(|field| matches!(field.vis, syn::Visibility::Public(_))))
}

/// The words of a variant's fields, which have no visibility of their own.
pub(crate) fn variant_fields(fields: &syn::Fields) -> String {
    field_words(fields.iter())
}

fn field_words<'a>(fields: impl Iterator<Item = &'a Field>) -> String {
    let mut tokens = TokenStream::new();
    for field in fields {
        field.ident.to_tokens(&mut tokens);
        field.ty.to_tokens(&mut tokens);
    }
    words(tokens)
}

/// The words of all identifiers, with `->` before a result; at most 48.
pub(crate) fn words(tokens: TokenStream) -> String {
    const MOST: usize = 48;
    let mut out = String::new();
    push(tokens, &mut out);
    out.truncate(out.trim_end_matches(" ->").trim_end_matches("->").len());
    match out.match_indices(' ').nth(MOST - 1) {
        Some((end, _)) => out[..end].to_owned(),
        None => out,
    }
}

fn push(tokens: TokenStream, out: &mut String) {
    const NOISE: [&str; 8] = ["mut", "pub", "dyn", "where", "crate", "super", "Self", "self"];
    let mut before = ' ';
    for token in tokens {
        let mut last = ' ';
        match token {
            TokenTree::Ident(ident) if before != '\'' => {
                let name = ident.to_string();
                if !NOISE.contains(&name.as_str()) {
                    push_words(&name, out);
                }
            }
            TokenTree::Group(group) if group.delimiter() != Delimiter::Brace => push(group.stream(), out),
            TokenTree::Punct(punct) => {
                if before == '-' && punct.as_char() == '>' {
                    out.push_str(if out.is_empty() { "->" } else { " ->" });
                }
                last = punct.as_char();
            }
            _ => {}
        }
        before = last;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_function_is_its_arguments_result_and_bounds() {
        let signature = "fn read_all<'a, R: BufRead>(&mut self, from: &'a mut R, max_len: usize) -> io::Result<Vec<u8>> where R: Send";
        let signature: syn::Signature = syn::parse_str(signature).unwrap();
        assert_eq!(function(&syn::parse_str("fn new() -> Self").unwrap()), "");
        assert_eq!(function(&signature), "from R max len usize -> io Result Vec u8 R Buf Read R Send");
    }

    #[test]
    fn a_struct_is_its_public_fields_and_a_variant_all_of_its() {
        let parse = |item: &str| -> syn::ItemStruct { syn::parse_str(item).unwrap() };
        let item = parse("pub struct S { pub max_len: usize, pub(crate) inner: Vec<u8>, rest: u8 }");
        assert_eq!(public_fields(&item.fields), "max len usize");
        let item = parse("pub struct S(pub Vec<HashMap<K, u8>>, u64);");
        assert_eq!(public_fields(&item.fields), "Vec Hash Map K u8");
        let variant: syn::Variant = syn::parse_str("V { max_len: usize }").unwrap();
        assert_eq!(variant_fields(&variant.fields), "max len usize");
    }

    #[test]
    fn a_long_signature_is_cut() {
        let long: TokenStream = "word ".repeat(100).parse().unwrap();
        assert_eq!(words(long).split(' ').count(), 48);
    }
}
