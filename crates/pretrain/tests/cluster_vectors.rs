//! `pretrain cluster --vectors`: a `.npy` file in, three files out and two more a level, and one clear error for bad input.

mod common;

use common::{Bench, npy as bytes};
use kmeans::{Balanced, Clusterer, Clustering, Hierarchy, HierarchyConfig, SphericalKMeansConfig, Vectors};

const ARGUMENTS: [&str; 7] = ["cluster", "--vectors", "x.npy", "--k", "3", "--out", "out"];
const NESTED: [&str; 7] = ["cluster", "--vectors", "x.npy", "--levels", "3,6,20", "--out", "out"];

/// Forty unit rows around each of three axes.
fn rows() -> Vec<f32> {
    let angle = |row: usize| 0.3 * (row as f32 * 0.7).sin();
    (0..120)
        .flat_map(|row| {
            let mut values = [0.0; 3];
            values[row % 3] = angle(row).cos();
            values[(row + 1) % 3] = angle(row).sin();
            values
        })
        .collect()
}

fn names(bench: &Bench) -> Vec<String> {
    let names =
        std::fs::read_dir(bench.path("out")).expect("a folder").map(|entry| entry.expect("an entry").file_name());
    let mut names: Vec<String> = names.map(|name| name.into_string().expect("UTF-8")).collect();
    names.sort();
    names
}

fn bench() -> Bench {
    let bench = Bench::new();
    std::fs::write(bench.path("x.npy"), bytes(&[120, 3], rows())).expect("a written file");
    bench
}

fn with<'a>(more: &[&'a str]) -> Vec<&'a str> {
    ARGUMENTS.iter().chain(more).copied().collect()
}

fn clustered(bench: &Bench, more: &[&str]) -> Clustering {
    bench.succeed(&with(more));
    assert!(bench.leftovers().is_empty(), "{:?}", bench.leftovers());
    Clustering::load(&bench.path("out")).expect("three files that agree")
}

fn assert_one_cluster_an_axis(clustering: &Clustering) {
    assert_eq!(clustering.sizes, [40, 40, 40]);
    assert!((0..120).all(|row| clustering.labels[row] == clustering.labels[row % 3]));
}

/// `arguments` fail with every expected part in the error, and leave no folder `out`.
fn fails(bench: &Bench, arguments: &[&str], expected: &[&str]) {
    let stderr = bench.fail(arguments);
    for part in expected {
        assert!(stderr.contains(part), "no {part:?} in: {stderr}");
    }
    assert!(bench.leftovers().is_empty(), "{:?}", bench.leftovers());
    assert!(!bench.path("out").exists());
}

#[test]
fn the_rows_of_a_file_are_clustered_without_a_run_folder() {
    let bench = bench();
    for init in ["random-rows", "k-means++", "k-means||"] {
        let clustering = clustered(&bench, &["--init", init, "--runs", "3", "--seed", "5", "--threads", "2"]);
        assert_eq!((clustering.centroids.dim(), clustering.labels.len()), ((3, 3), 120));
        if init != "random-rows" {
            assert_one_cluster_an_axis(&clustering);
        }
    }
    let (stdout, stderr) = bench.succeed(&ARGUMENTS);
    assert_eq!(stdout.lines().count(), 3, "{stdout}");
    assert!(stderr.contains("120 rows of 3 into 3") && stderr.contains("mean cosine"), "{stderr}");
}

#[test]
fn iterations_and_training_rows_are_bounded() {
    let bench = bench();
    let clustering = clustered(&bench, &["--iterations", "1", "--max-points-per-centroid", "10"]);
    assert_eq!(clustering.history.len(), 1);
    assert_eq!(clustering.history[0].changed, 30);
}

#[test]
fn rows_of_f16_are_clustered_as_rows_of_f32_are() {
    let bench = bench();
    let mut file = b"\x93NUMPY\x01\x00\x76\x00{'descr': '<f2', 'fortran_order': False, 'shape': (120, 3), }".to_vec();
    file.resize(127, b' ');
    file.push(b'\n');
    file.extend(rows().into_iter().flat_map(|value| half_bits(value).to_le_bytes()));
    std::fs::write(bench.path("x.npy"), file).unwrap();
    assert_one_cluster_an_axis(&clustered(&bench, &["--init", "k-means++"]));
}

/// The f16 next to `value` towards zero, 0 below the normal numbers: `half` is no dependency of this crate.
fn half_bits(value: f32) -> u16 {
    let bits = value.to_bits();
    let sign = (bits >> 16) as u16 & 0x8000;
    let exponent = (bits >> 23 & 0xff) as i32 - 127 + 15;
    if exponent > 0 { sign | (exponent as u16) << 10 | (bits >> 13 & 0x3ff) as u16 } else { sign }
}

#[test]
fn a_bad_file_is_named_and_nothing_is_written() {
    let bench = bench();
    let good = std::fs::read(bench.path("x.npy")).unwrap();
    let write = |bytes: &[u8]| std::fs::write(bench.path("x.npy"), bytes).unwrap();
    write(&good[..good.len() - 5]);
    fails(&bench, &ARGUMENTS, &["x.npy", "1563 bytes", "1568"]);
    write(&bytes(&[120, 3], 0..360));
    fails(&bench, &ARGUMENTS, &["x.npy", "'<i4'", "float16, float32 or float64"]);
    write(&bytes(&[360], rows()));
    fails(&bench, &ARGUMENTS, &["x.npy", "[360]", "[n, dim]"]);
    write(b"1.0,0.0\n");
    fails(&bench, &ARGUMENTS, &["x.npy", "NPY"]);
    write(&bytes(&[0, 3], Vec::<f32>::new()));
    fails(&bench, &ARGUMENTS, &["x.npy: no rows"]);
    write(&bytes(&[120, 3], rows().into_iter().enumerate().map(|(at, value)| if at == 95 { f32::NAN } else { value })));
    fails(&bench, &ARGUMENTS, &["x.npy: row 31 has NaN in column 2"]);
    write(&bytes(&[2, 3], [1.0_f32, 0.0, 0.0, 0.0, 1.0, 0.0]));
    fails(&bench, &ARGUMENTS, &["x.npy: 2 rows cannot fill 3 clusters"]);
    std::fs::remove_file(bench.path("x.npy")).unwrap();
    fails(&bench, &ARGUMENTS, &["x.npy", "No such file"]);
}

/// The file of numpy's array of that type and order.
fn array(descr: &str, fortran_order: &str, values: impl IntoIterator<Item = Vec<u8>>) -> Vec<u8> {
    let header = format!("{{'descr': '{descr}', 'fortran_order': {fortran_order}, 'shape': (120, 3), }}");
    let values: Vec<u8> = values.into_iter().flatten().collect();
    [b"\x93NUMPY\x01\x00\x76\x00", format!("{header:<117}\n").as_bytes(), &values].concat()
}

#[test]
fn rows_of_f64_of_fortran_order_and_of_the_other_byte_order_are_clustered_as_rows_of_f32_are() {
    let bench = bench();
    let expected = clustered(&bench, &["--init", "k-means++"]);
    assert_one_cluster_an_axis(&expected);
    let rows = rows();
    let columns = || (0..3).flat_map(|column| rows[column..].iter().step_by(3));
    for file in [
        array("<f8", "False", rows.iter().map(|&value| f64::from(value).to_le_bytes().to_vec())),
        array(">f4", "False", rows.iter().map(|value| value.to_be_bytes().to_vec())),
        array("<f4", "True", columns().map(|value| value.to_le_bytes().to_vec())),
        array(">f8", "True", columns().map(|&value| f64::from(value).to_be_bytes().to_vec())),
    ] {
        std::fs::write(bench.path("x.npy"), file).unwrap();
        std::fs::remove_dir_all(bench.path("out")).unwrap();
        assert_eq!(clustered(&bench, &["--init", "k-means++"]), expected);
        assert_eq!(names(&bench), ["centroids.npy", "clusters.json", "labels.npy"]);
    }
    // Where the folder above --out is not there yet either.
    bench.succeed(&["cluster", "--vectors", "x.npy", "--k", "3", "--out", "new/and/deeper"]);
    assert!(bench.path("new/and/deeper/labels.npy").exists());
}

#[test]
fn rows_that_are_not_unit_rows_are_refused_or_scaled() {
    let bench = bench();
    let expected = clustered(&bench, &[]);
    std::fs::remove_dir_all(bench.path("out")).unwrap();
    let mut scaled: Vec<f32> = rows().iter().enumerate().map(|(at, value)| value * (1 + at / 3) as f32).collect();
    std::fs::write(bench.path("x.npy"), bytes(&[120, 3], scaled.clone())).unwrap();
    fails(&bench, &ARGUMENTS, &["x.npy: row 1 has norm ", ", not 1: --normalize scales every row to norm 1"]);
    let found = clustered(&bench, &["--normalize"]);
    assert_eq!(found.labels, expected.labels);
    assert!((found.objective - expected.objective).abs() < 1e-6);

    std::fs::remove_dir_all(bench.path("out")).unwrap();
    scaled[3 * 77..3 * 78].fill(0.0);
    std::fs::write(bench.path("x.npy"), bytes(&[120, 3], scaled)).unwrap();
    fails(&bench, &with(&["--normalize"]), &["x.npy: row 77 is all zeros"]);
    assert_eq!(bench.pretrain(&["cluster", "config.toml", "--normalize"]).status.code(), Some(2));
}

#[test]
fn empty_clusters_are_counted_in_a_warning() {
    let bench = bench();
    let warnings = |stderr: &str| stderr.lines().filter(|line| line.contains("are empty")).count();
    let (_, stderr) = bench.succeed(&ARGUMENTS);
    assert_eq!(warnings(&stderr), 0, "{stderr}");

    let repeated: Vec<f32> = (0..120).flat_map(|row| [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]][row % 2]).collect();
    std::fs::write(bench.path("x.npy"), bytes(&[120, 3], repeated)).unwrap();
    for init in ["random-rows", "k-means++", "k-means||"] {
        let (_, stderr) =
            bench.succeed(&["cluster", "--vectors", "x.npy", "--k", "50", "--out", "out", "--init", init]);
        let empty = Clustering::load(&bench.path("out")).unwrap().empty_clusters();
        assert!(stderr.contains(&format!("x.npy: {empty} of 50 clusters are empty")), "{stderr}");
        assert_eq!((empty, warnings(&stderr)), (48, 1), "{init}: {stderr}");
    }
    let (_, stderr) = bench.succeed(&["cluster", "--vectors", "x.npy", "--levels", "2,6", "--out", "out"]);
    assert!(stderr.contains("x.npy: 4 of 6 clusters are empty"), "{stderr}");
    // Bounds fill them.
    let balanced = ["cluster", "--vectors", "x.npy", "--k", "6", "--balance", "10,60", "--out", "out"];
    let (_, stderr) = bench.succeed(&balanced);
    assert_eq!(warnings(&stderr), 0, "{stderr}");
}

#[test]
fn arguments_that_do_not_belong_together_are_refused() {
    let bench = bench();
    // clap's errors are followed by the usage, which is longer than `Bench::fail` lets an error be.
    let refused = |arguments: &[&str], expected: &[&str]| {
        let output = bench.pretrain(arguments);
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {stderr}");
        assert!(expected.iter().all(|part| stderr.contains(part)), "no {expected:?} in: {stderr}");
        assert!(!bench.path("out").exists());
    };
    refused(&["cluster"], &["not provided:\n  <CONFIG|RUN>"]);
    refused(&["cluster", "--vectors", "x.npy"], &["not provided:\n  --out <DIR>\n  <--k <N>|--levels <N,N,...>>"]);
    refused(&["cluster", "config.toml", "--levels", "3,6"], &["not provided:", "--vectors <X.npy>"]);
    refused(&NESTED[..5], &["not provided:\n  --out <DIR>"]);
    refused(&["cluster", "--vectors", "x.npy", "--k", "3"], &["not provided:\n  --out <DIR>"]);
    refused(&["cluster", "config.toml", "--seed", "3"], &["not provided:", "--vectors <X.npy>"]);
    refused(&with(&["config.toml"]), &["cannot be used with", "--vectors <X.npy>"]);
    for option in [["--set", "cluster.k=3"], ["--device", "cpu"]] {
        refused(&with(&option), &["cannot be used with", option[0]]);
    }
    refused(&with(&["--force"]), &["cannot be used with", "--force"]);
    refused(&with(&["--init", "farthest"]), &["farthest", "k-means||"]);
    for option in ["--runs", "--iterations", "--max-points-per-centroid"] {
        refused(&with(&[option, "0"]), &["invalid value '0'", option]);
    }
}

#[test]
fn lists_that_are_no_levels_are_refused() {
    let bench = bench();
    for (list, problem) in [
        ("", "whole numbers, each more than the one before"),
        ("3,", "whole numbers"),
        ("3,six", "whole numbers"),
        ("3,-6", "whole numbers"),
        ("3,6.5", "whole numbers"),
        ("0,6", "0 clusters"),
        ("6,3", "level of 3 clusters after one of 6"),
        ("3,6,6", "level of 6 clusters after one of 6"),
        ("3,4294967296", "4294967296 clusters do not fit 32-bit labels"),
    ] {
        let arguments = ["cluster", "--vectors", "x.npy", "--levels", list, "--out", "out"];
        fails(&bench, &arguments, &["--levels <N,N,...>", problem]);
    }
    let few = ["cluster", "--vectors", "x.npy", "--levels", "3,121", "--out", "out"];
    fails(&bench, &few, &["x.npy: 120 rows cannot fill 121 clusters"]);
    let few = ["cluster", "--vectors", "x.npy", "--levels", "3,6", "--k", "200", "--out", "out"];
    fails(&bench, &few, &["x.npy: 120 rows cannot fill 200 clusters"]);
    let stderr = bench.fail(&few);
    assert!(!stderr.contains("rows of 3 into"), "{stderr}");
    let output = bench.pretrain(&[&NESTED[..], &["--balance", "1,60"]].concat());
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert!(stderr.contains("'--levels <N,N,...>' cannot be used with '--balance <MIN,MAX>'"), "{stderr}");
    assert!(!bench.path("out").exists());
}

#[test]
fn levels_are_nested_and_the_first_is_the_flat_clustering() {
    let bench = bench();
    let (stdout, stderr) = bench.succeed(&[&NESTED[..], &["--runs", "2", "--seed", "5"]].concat());
    assert!(bench.leftovers().is_empty(), "{:?}", bench.leftovers());

    let rows = rows();
    let kmeans = SphericalKMeansConfig::default().with_runs(2).with_seed(5);
    let expected = HierarchyConfig::new([3, 6, 20]).with_kmeans(kmeans).build().unwrap();
    let expected = expected.fit(Vectors::from_f32(&rows, 3).unwrap()).unwrap();
    let hierarchy = Hierarchy::load(&bench.path("out")).unwrap();
    assert_eq!(hierarchy, expected);
    assert_eq!(Clustering::load(&bench.path("out")).unwrap(), hierarchy.levels[0].clustering);

    let mut written: Vec<&str> = stdout.lines().map(|line| line.strip_prefix("out/").expect("a path")).collect();
    written.sort_unstable();
    assert_eq!(written, names(&bench));
    assert_eq!(written.len(), 3 + 2 * 3 + 1);
    assert!(stderr.contains("120 rows of 3 into 3, then 6, then 20"), "{stderr}");
    for level in ["3", "6", "20"] {
        let lines = stderr.lines().filter(|line| line.contains(&format!("level of {level}: mean cosine")));
        assert_eq!(lines.count(), 1, "{stderr}");
    }
    // The first level's fit is the flat one: nothing is fitted twice.
    assert_eq!(stderr.matches(" into ").count(), 1, "{stderr}");
}

#[test]
fn another_k_is_fitted_beside_the_levels() {
    let bench = bench();
    let (_, stderr) = bench.succeed(&[&NESTED[..], &["--k", "6", "--iterations", "4"]].concat());
    assert_eq!(stderr.matches(" into ").count(), 2, "{stderr}");
    let rows = rows();
    let config = SphericalKMeansConfig::new(6).with_max_iterations(4);
    let flat = config.build().unwrap().fit_with(&Vectors::from_f32(&rows, 3).unwrap(), &mut |_| ()).unwrap();
    assert_eq!(Clustering::load(&bench.path("out")).unwrap(), flat);
    let hierarchy = Hierarchy::load(&bench.path("out")).unwrap();
    assert_eq!(hierarchy.levels.iter().map(|level| level.clustering.sizes.len()).collect::<Vec<_>>(), [3, 6, 20]);

    let (_, stderr) = bench.succeed(&[&NESTED[..], &["--k", "3"]].concat());
    assert_eq!(stderr.matches(" into ").count(), 1, "{stderr}");
    let hierarchy = Hierarchy::load(&bench.path("out")).unwrap();
    assert_eq!(Clustering::load(&bench.path("out")).unwrap(), hierarchy.levels[0].clustering);
}

#[test]
fn a_folder_that_cannot_be_written_is_named_before_the_work() {
    let bench = bench();
    bench.write("out", "a file");
    let stderr = bench.fail(&ARGUMENTS);
    assert!(stderr.contains("error: out: ") && !stderr.contains("into 3"), "{stderr}");
    assert_eq!(bench.read("out"), "a file");
}

#[test]
fn the_vectors_themselves_are_not_overwritten() {
    let bench = bench();
    std::fs::create_dir(bench.path("out")).unwrap();
    std::fs::rename(bench.path("x.npy"), bench.path("out/centroids.npy")).unwrap();
    let before = std::fs::read(bench.path("out/centroids.npy")).unwrap();
    let stderr = bench.fail(&["cluster", "--vectors", "out/centroids.npy", "--k", "3", "--out", "out"]);
    assert!(stderr.contains("would be overwritten"), "{stderr}");
    assert_eq!(std::fs::read(bench.path("out/centroids.npy")).unwrap(), before);
    for name in ["out/centroids-6.npy", "out/labels-20.npy", "out/labels.npy", "out/hierarchy.json"] {
        std::fs::write(bench.path(name), &before).unwrap();
        let nested = ["cluster", "--vectors", name, "--levels", "3,6,20", "--out", "out"];
        assert!(bench.fail(&nested).contains("would be overwritten"), "{name}");
        assert_eq!(std::fs::read(bench.path(name)).unwrap(), before);
    }
    bench.succeed(&["cluster", "--vectors", "out/centroids-6.npy", "--levels", "3,7", "--out", "out"]);
    assert_eq!(std::fs::read(bench.path("out/centroids-6.npy")).unwrap(), before);
}

#[test]
fn balanced_sizes_keep_their_bounds_and_impossible_ones_are_refused() {
    let bench = bench();
    let clustering = clustered(&bench, &["--balance", "39,40"]);
    assert!(clustering.sizes.iter().all(|size| (39..=40).contains(size)), "{:?}", clustering.sizes);
    assert_eq!(Balanced::load(&bench.path("out")).unwrap().clustering, clustering);
    let json: serde_json::Value = serde_json::from_str(&bench.read("out/clusters.json")).unwrap();
    assert_eq!((&json["balanced"]["min"], &json["balanced"]["max"]), (&39.into(), &40.into()));
    assert!(json["balanced"]["objective_lost"].as_f64().is_some_and(|lost| lost >= 0.0), "{json}");
    assert!(json["balanced"]["moved"].is_u64(), "{json}");
    clustered(&bench, &[]);
    assert!(!bench.read("out/clusters.json").contains("balanced"));
    let bench = self::bench();
    fails(&bench, &with(&["--balance", "41,60"]), &["120 rows cannot fill 3 clusters of at least 41"]);
    fails(&bench, &with(&["--balance", "41"]), &["MIN,MAX"]);
}
