use dynamo_test::prelude::*;

struct Router;

impl Router {
    #[dynamo_test(gpus = -1, vram = "20", timeout = 30, skip = "", isolated = true, worker_threads = 2)]
    #[should_panic(message = "overflow")]
    unsafe fn adds(&self) {}
}

fn main() {}
