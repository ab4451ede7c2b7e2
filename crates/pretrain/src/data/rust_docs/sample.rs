//! A smaller set of pairs from a few packages, without reading the others.

use rust_docs::{Package, PackageDocs, Reader, TextPair};

use super::super::split::hash;

/// Pairs of packages in the order of their names' hashes, until there are `pairs`, split between training and test as
/// the packages themselves are; by package name.
///
/// No package gives more than a sixteenth of its split, evenly over its items, so that the sample has many topics.
pub(super) fn read(
    reader: &Reader,
    packages: &[Package],
    pairs: usize,
    holds_out: impl Fn(&str) -> bool,
) -> Vec<PackageDocs<TextPair>> {
    let mut order: Vec<&Package> = packages.iter().collect();
    order.sort_by_cached_key(|package| hash("sample ", &package.name));
    let (tested, trained): (Vec<_>, Vec<_>) = order.into_iter().partition(|package| holds_out(&package.name));
    let share = tested.len() as f64 / packages.len().max(1) as f64;
    let test_pairs = (share * pairs as f64).round() as usize;
    let mut docs = take(reader, &trained, pairs - test_pairs);
    docs.extend(take(reader, &tested, test_pairs));
    docs.sort_by(|a, b| a.name.cmp(&b.name));
    docs
}

fn take(reader: &Reader, packages: &[&Package], pairs: usize) -> Vec<PackageDocs<TextPair>> {
    const AT_ONCE: usize = 16;
    const LEAST_PACKAGES: usize = 16;
    let most = pairs.div_ceil(LEAST_PACKAGES);
    let mut docs: Vec<PackageDocs<TextPair>> = Vec::new();
    let mut open = pairs;
    for packages in packages.chunks(AT_ONCE) {
        let packages: Vec<Package> = packages.iter().copied().cloned().collect();
        for mut package in reader.pairs(&packages) {
            if open == 0 {
                return docs;
            }
            thin(&mut package, most.min(open));
            open -= package.items.len();
            docs.push(package);
        }
    }
    docs
}

/// Keeps at most so many of the package's pairs, evenly spaced.
fn thin(package: &mut PackageDocs<TextPair>, most: usize) {
    let all = package.items.len();
    if all > most {
        let mut index = 0;
        package.items.retain(|_| {
            index += 1;
            index * most / all > (index - 1) * most / all
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Packages `p00`, `p01`, … with so many pairs each.
    fn packages(root: &std::path::Path, count: usize, pairs: usize) -> Vec<Package> {
        let package = |i: usize| {
            let name = format!("p{i:02}");
            let root = root.join(&name);
            std::fs::create_dir(&root).unwrap();
            let items = (0..pairs).map(|j| format!("/// Documents item number {j} of {i}.\npub fn f{j}() {{}}\n"));
            std::fs::write(root.join("lib.rs"), items.collect::<String>()).unwrap();
            Package { library: name.clone(), name, version: "1.0.0".parse().unwrap(), lib: root.join("lib.rs"), root }
        };
        (0..count).map(package).collect()
    }

    fn sizes(docs: &[PackageDocs<TextPair>]) -> Vec<(&str, usize)> {
        docs.iter().map(|package| (package.name.as_str(), package.items.len())).collect()
    }

    #[test]
    fn a_sample_has_its_size_both_splits_and_many_packages() {
        let root = tempfile::tempdir().unwrap();
        let packages = packages(root.path(), 60, 10);
        let held_out = |name: &str| name < "p20";
        let docs = read(&Reader::new().unwrap(), &packages, 90, held_out);
        let sizes = sizes(&docs);
        assert!(sizes.is_sorted());
        let (test, train): (Vec<_>, Vec<_>) = sizes.into_iter().partition(|(name, _)| held_out(name));
        assert_eq!(test.iter().map(|(_, pairs)| pairs).sum::<usize>(), 30);
        assert_eq!(train.iter().map(|(_, pairs)| pairs).sum::<usize>(), 60);
        assert!(test.len() >= 15 && train.len() >= 15);
    }

    #[test]
    fn the_same_packages_are_drawn_whatever_the_order() {
        let root = tempfile::tempdir().unwrap();
        let mut packages = packages(root.path(), 40, 3);
        let reader = Reader::new().unwrap();
        let docs = read(&reader, &packages, 20, |_| false);
        packages.reverse();
        let again = read(&reader, &packages, 20, |_| false);
        assert_eq!(sizes(&docs), sizes(&again));
        assert_eq!(docs.iter().map(|package| package.items.len()).sum::<usize>(), 20);
    }

    #[test]
    fn thinning_keeps_pairs_of_the_whole_package() {
        let root = tempfile::tempdir().unwrap();
        let mut docs = Reader::new().unwrap().pairs(&packages(root.path(), 1, 10)).remove(0);
        thin(&mut docs, 3);
        let ids: Vec<&str> = docs.items.iter().filter_map(|(id, _)| id.split("::").nth(1)).collect();
        assert_eq!(ids, ["f3", "f6", "f9"]);
    }
}
