//! Redis in the testbed: what tests rely on when they break one.

use std::time::Duration;

use testbed::Redis;

#[tokio::test]
#[ignore = "needs Redis: ci/test"]
async fn answered_writes_outlive_a_kill() {
    let mut redis = Redis::start().await.unwrap();
    redis.command(&["SET", "spot", "A1"]).await.unwrap();

    redis.kill().unwrap();
    let answer_of_the_dead = redis.command(&["PING"]).await;
    redis.restart().await.unwrap();

    assert!(answer_of_the_dead.is_err());
    assert_eq!(redis.command(&["GET", "spot"]).await.unwrap(), "A1");
}

#[tokio::test]
#[ignore = "needs Redis: ci/test"]
async fn a_flush_leaves_nothing() {
    let redis = Redis::start().await.unwrap();
    redis.command(&["SET", "spot", "A1"]).await.unwrap();

    redis.flush().await.unwrap();

    assert_eq!(redis.command(&["DBSIZE"]).await.unwrap(), "0");
}

#[tokio::test]
#[ignore = "needs Redis: ci/test"]
async fn a_paused_server_answers_once_it_resumes() {
    let redis = Redis::start().await.unwrap();

    redis.pause().unwrap();
    let paused = tokio::time::timeout(Duration::from_millis(200), redis.command(&["PING"])).await;
    redis.resume().unwrap();
    let resumed = redis.command(&["PING"]).await.unwrap();

    assert!(paused.is_err());
    assert_eq!(resumed, "PONG");
}

#[tokio::test]
#[ignore = "needs Redis: ci/test"]
async fn an_older_copy_takes_the_place_of_the_data() {
    let mut redis = Redis::start().await.unwrap();
    redis.command(&["SET", "spot", "A1"]).await.unwrap();
    let copy = redis.copy().unwrap();
    redis.command(&["SET", "spot", "B2"]).await.unwrap();

    redis.replace_data(&copy).await.unwrap();

    assert_eq!(redis.command(&["GET", "spot"]).await.unwrap(), "A1");
}

#[tokio::test]
#[ignore = "needs Redis: ci/test"]
async fn a_refused_command_is_an_error_that_says_why() {
    let redis = Redis::start().await.unwrap();

    let error = redis.command(&["NOSUCHCOMMAND"]).await.unwrap_err().to_string();

    assert!(error.contains("unknown command"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Redis: ci/test"]
async fn servers_can_be_started_and_restarted_in_a_spawned_task() {
    let task = tokio::spawn(async {
        let mut redis = Redis::start().await?;
        redis.restart().await?;
        redis.command(&["PING"]).await
    });

    assert_eq!(task.await.unwrap().unwrap(), "PONG");
}
