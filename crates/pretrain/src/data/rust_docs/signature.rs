//! Signatures as plain words.

use proc_macro2::{Delimiter, TokenStream, TokenTree};
use quote::ToTokens;

use super::words::push_words;

/// The words of arguments, result and bounds; the name is left to the caller.
pub(super) fn function(signature: &syn::Signature) -> String {
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

/// The words of public fields and their types; of a tuple's types.
pub(super) fn fields(fields: &syn::Fields) -> String {
    match fields {
        syn::Fields::Named(named) => named_fields(named),
        syn::Fields::Unnamed(unnamed) => words(
            unnamed
                .unnamed
                .iter()
                .filter(|field| public_or_variant(field))
                .map(|field| field.ty.to_token_stream())
                .collect(),
        ),
        syn::Fields::Unit => String::new(),
    }
}

/// The words of public fields and their types.
pub(super) fn named_fields(fields: &syn::FieldsNamed) -> String {
    let public = fields.named.iter().filter(|field| public_or_variant(field));
    words(
        public
            .map(|field| {
                field
                    .ident
                    .iter()
                    .flat_map(ToTokens::to_token_stream)
                    .chain(field.ty.to_token_stream())
                    .collect::<TokenStream>()
            })
            .collect(),
    )
}

/// A variant's fields have no visibility of their own.
fn public_or_variant(field: &syn::Field) -> bool {
    matches!(field.vis, syn::Visibility::Public(_) | syn::Visibility::Inherited)
}

/// The words of all identifiers, with `->` before a result; at most 48.
pub(super) fn words(tokens: TokenStream) -> String {
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
    fn a_struct_is_its_public_fields() {
        let item: syn::ItemStruct =
            syn::parse_str("pub struct S { pub max_len: usize, pub(crate) inner: Vec<u8> }").unwrap();
        assert_eq!(fields(&item.fields), "max len usize");
        let item: syn::ItemStruct = syn::parse_str("pub struct S(pub Vec<HashMap<K, u8>>);").unwrap();
        assert_eq!(fields(&item.fields), "Vec Hash Map K u8");
    }

    #[test]
    fn a_long_signature_is_cut() {
        let long: TokenStream = "word ".repeat(100).parse().unwrap();
        assert_eq!(words(long).split(' ').count(), 48);
    }
}
