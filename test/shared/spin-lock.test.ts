import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import t from 'tap';
import { acquireLock, lockHolder, releaseLock, tryAcquireLock } from '../../lib/shared/spin-lock.js';
import { startTsWorker } from '../fixtures/ts-worker.js';

t.test('taken, held, given back', async (t) => {
	const words = new Int32Array(new SharedArrayBuffer(8));
	t.equal(lockHolder(words, 1), undefined);
	acquireLock(words, 1);
	t.equal(lockHolder(words, 1), 0, 'the main thread');
	t.equal(tryAcquireLock(words, 1), false);
	t.equal(tryAcquireLock(words, 0), true, 'another word is another lock');
	releaseLock(words, 1);
	t.equal(tryAcquireLock(words, 1), true);
	releaseLock(words, 1);
	t.equal(words[1], 0);
});

t.test('three threads and this one never meet inside', async (t) => {
	const [threads, rounds] = [3, 30_000];
	const buffer = new SharedArrayBuffer(16);
	const words = new Int32Array(buffer);
	const url = new URL('./spin-lock.worker.ts', import.meta.url);
	const workers = Array.from({ length: threads }, () => startTsWorker(url, { workerData: { buffer, rounds } }));
	const ended = workers.map((worker) => once(worker, 'exit'));
	let mine = 0;
	let isRunning = true;
	void Promise.all(ended).then(() => {
		isRunning = false;
	});
	while (isRunning) {
		for (let i = 0; i < 100; i++, mine++) {
			acquireLock(words, 0);
			// Not atomic: only the lock makes it exact.
			words[1] = words[1]! + 1;
			words[2] = words[2]! + 1;
			if (words[1] !== words[2]) t.fail('two threads inside');
			releaseLock(words, 0);
		}
		await new Promise((resolve) => setImmediate(resolve));
	}
	t.equal(words[1], threads * rounds + mine);
	t.equal(words[2], threads * rounds + mine);
	t.equal(words[0], 0, 'free at the end, nobody marked as waiting');
});

t.test('a lock whose holder died is an error, not a hang', async (t) => {
	const buffer = new SharedArrayBuffer(4);
	const words = new Int32Array(buffer);
	const worker = new Worker(
		`const { threadId, workerData, parentPort } = require('node:worker_threads');
		Atomics.store(new Int32Array(workerData), 0, threadId + 1);
		parentPort.postMessage(threadId);`,
		{ eval: true, workerData: buffer },
	);
	const exited = once(worker, 'exit');
	const [threadId] = (await once(worker, 'message')) as [number];
	await exited;
	t.equal(lockHolder(words, 0), threadId);
	t.throws(() => acquireLock(words, 0, 20), { code: 'LOCK_ABANDONED', holderThreadId: threadId });
	t.equal(lockHolder(words, 0), threadId, 'still told who, with the mark of the waiter');
	releaseLock(words, 0);
	acquireLock(words, 0);
	releaseLock(words, 0);
});
