"""The place for the newest item, the thread that takes it, and the one that takes over what is done."""

import threading
import time

from depth_node.threads import Newest, Relay, Worker


def test_the_newest_item_replaces_the_one_that_waits():
    newest: Newest[int] = Newest()
    assert not newest.put(1)
    assert newest.put(2)
    assert newest.take() == 2
    assert not newest.put(3)


def test_closing_wakes_who_waits():
    newest: Newest[int] = Newest()
    taken = []
    thread = threading.Thread(target=lambda: taken.append(newest.take()))
    thread.start()
    newest.close()
    thread.join(5)
    assert taken == [None]


def test_a_slow_worker_does_the_newest_and_never_queues():
    begin, go, done = threading.Event(), threading.Event(), []

    def work(item):
        begin.set()
        go.wait(5)
        done.append(item)

    worker = Worker(work, 'test')
    assert not worker.put(0)
    assert begin.wait(5)
    assert [worker.put(i) for i in range(1, 5)] == [False, True, True, True]
    go.set()
    deadline = time.monotonic() + 5
    while len(done) < 2 and time.monotonic() < deadline:
        time.sleep(0.001)
    worker.stop()
    assert done == [0, 4]
    assert not worker.thread.is_alive()


def test_stopping_finishes_the_item_at_work_and_forgets_the_next():
    begin, done = threading.Event(), []

    def work(item):
        begin.set()
        time.sleep(0.05)
        done.append(item)

    worker = Worker(work, 'test')
    worker.put(1)
    assert begin.wait(5)
    worker.put(2)
    worker.stop()
    assert done == [1]


def test_a_relay_works_on_one_item_while_the_next_is_made_and_no_more():
    begun, go, done = [], threading.Semaphore(0), []

    def work(item):
        begun.append(item)
        assert go.acquire(timeout=5)
        done.append(item)

    relay = Relay(work, 'test')
    relay.put(1)  # at once
    second = threading.Thread(target=relay.put, args=[2])
    second.start()
    second.join(0.1)
    assert second.is_alive()  # it waits until the first is done, whose memory may then be used again
    assert not done
    go.release()
    second.join(5)
    assert not second.is_alive()
    assert done == [1]
    go.release()
    relay.stop()
    assert begun == done == [1, 2]
    assert not relay.thread.is_alive()


def test_a_relay_without_an_item_stops():
    relay = Relay(lambda _: None, 'test')
    relay.stop()
    assert not relay.thread.is_alive()
