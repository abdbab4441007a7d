//! What a plugin in C can do in excess, without the SDK between: the host bounds it.

use super::{
    bench::{bench, neighbour},
    from_files::{altered, asked, spec},
};
use crate::{Options, check, link::MAX_OPS, load};
use serde_json::json;

#[test]
fn a_check_that_never_comes_back_is_left_behind_and_said() {
    let folder = tempfile::tempdir().unwrap();
    let check_ = "static mynah_status check(mynah_bytes config, mynah_put diag, void *sink) {";
    let waits = format!(
        "#include <threads.h>\n{check_}\n  thrd_sleep(&(struct timespec){{ .tv_sec = 3600 }}, 0);"
    );
    let file = altered(folder.path(), "waits", check_, &waits);
    let entry = load(&file, Some("hello-c"), None).unwrap();
    let found = check(entry, &json!({}));
    assert_eq!(found.len(), 1);
    assert!(found[0].message.contains("does not come back"), "{found:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn ops_that_are_over_at_once_do_not_heap_up_while_a_callback_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let flood = "if (me->greeted++ == 0) {
    for (int n = 0; n < 100000; n++)
      me->greeted += me->ops->submit(me->host, str(\"nonsense\"), bytes(\"{}\")) != 0;
    return;
  }";
    let file = altered(folder.path(), "floods", "me->greeted++;", flood);
    let entry = load(&file, Some("hello-c"), None).unwrap();
    let mut bench = bench(vec![spec(entry), neighbour()], Options::default(), false).await;
    bench.registration().await;
    let floods = json!({ "name": "hello-c", "type": 1 });
    bench.interaction(2, floods).await;
    // One for the flood's event, one for each op that was let in, and one for this.
    let said = asked(&mut bench).await;
    let number = format!("number {} ", MAX_OPS + 2);
    assert!(said.contains(&number), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_state_without_measure_is_not_kept_and_the_one_before_stays() {
    let folder = tempfile::tempdir().unwrap();
    let save = "static mynah_status save(void *self, mynah_put out, void *sink) {";
    let heaps = format!(
        "{save}\n  static const uint8_t part[1 << 20];\n  \
         for (int n = 0; ((struct hello *)self)->greeted > 1 && n < 17; n++)\n    \
         out(sink, (mynah_bytes){{ part, sizeof part }});"
    );
    let file = altered(folder.path(), "heaps", save, &heaps);
    let entry = load(&file, Some("hello-c"), None).unwrap();
    let options = || Options {
        stores: Some(folder.path().join("plugins")),
        ..Options::default()
    };
    for numbers in [[1, 0], [2, 3], [2, 3]] {
        let mut bench = bench(vec![spec(entry)], options(), false).await;
        bench.registration().await;
        for number in numbers.into_iter().filter(|number| *number > 0) {
            let said = asked(&mut bench).await;
            assert!(said.contains(&format!("number {number} ")), "{said}");
        }
        bench.host.stop().await;
    }
}
