/**
 * What comes from outside may be anything: random frames, good conversations with bytes changed, cut anywhere. The
 * machine never throws, never keeps more than its bounds, and comes to the same however the bytes are cut.
 */
import t from 'tap';
import { FloodGuard } from '../../../lib/http/h2/flood-guard.js';
import { headers, request } from '../../fixtures/h2-frames.js';
import { Recorder } from '../../fixtures/h2-pair.js';
import { conversation, HELLO, randomFrame, randomOf } from '../../fixtures/h2-random.js';

const SEED = Number(process.env.HOLDFAST_SEED ?? Math.floor(Math.random() * 2 ** 31));
const ROUNDS = 1500;

/** Gives `bytes` to a connection in pieces. The owner answers some requests, resets some, and leaves some alone. */
function run(bytes: Buffer, random: ((below: number) => number) | undefined): Recorder {
	const server = new Recorder('server', { guard: new FloodGuard() });
	for (let at = 0; at < bytes.length; ) {
		const end = random === undefined ? bytes.length : Math.min(bytes.length, at + 1 + random(200));
		server.receive(bytes.subarray(at, end));
		at = end;
	}
	return server;
}

t.test('random frames', async (t) => {
	t.comment(`HOLDFAST_SEED=${SEED}`);
	let failed = 0;
	for (let round = 0; round < ROUNDS; round++) {
		const seed = SEED + round;
		const bytes = conversation(randomOf(seed));
		const whole = run(bytes, undefined);
		const cut = run(bytes, randomOf(seed + 1));
		if (whole.codec.isOver) failed++;
		const [one, other] = [whole.seen(), cut.seen()];
		if (one.join('\n') !== other.join('\n')) {
			t.same(other, one, `seed ${seed}: it matters how the bytes are cut`);
			return;
		}
		const { streams, output } = whole.codec;
		if (streams.size > 100 || output.length > 4 * bytes.length + 1000) {
			t.fail(`seed ${seed}: ${streams.size} streams, ${output.length} bytes to send`);
			return;
		}
	}
	t.ok(failed > ROUNDS / 10 && failed < ROUNDS, `${failed} of ${ROUNDS} connections ended`);
});

t.test('an owner that answers, resets and leaves, within it all', async (t) => {
	for (let round = 0; round < ROUNDS; round++) {
		const random = randomOf(SEED + round);
		const server = new Recorder('server', { guard: new FloodGuard() });
		server.consumes = random(2) === 0;
		server.receive(HELLO);
		for (let i = 0; i < 40; i++) {
			server.receive(random(3) === 0 ? headers(2 * i + 1, request('/', 'POST'), 4 | random(2)) : randomFrame(random));
			for (const stream of [...server.codec.streams.values()]) {
				const choice = random(8);
				if (choice === 0) server.codec.reset(stream, random(14));
				else if (choice === 1 && !stream.headSent) server.head(stream, [[':status', '200']], random(4) === 0);
				else if (choice === 2 && stream.headSent) {
					const size = random(40_000);
					server.codec.sendData(stream, Buffer.alloc(size), 0, size);
				} else if (choice === 3 && stream.headSent) server.codec.sendText(stream, 'x'.repeat(random(2000)));
				else if (choice === 4 && stream.headSent)
					server.codec.endStream(stream, random(2) === 0 ? undefined : ['a', 'b']);
			}
			if (random(20) === 0) server.codec.announceLeave();
			if (random(4) === 0) server.take();
			server.codec.output.isBlocked = random(3) === 0;
		}
		for (const stream of server.codec.streams.values()) {
			const held = stream.queue.length > 0 === stream.queuedBytes > 0;
			if (!held || stream.queuedBytes < 0 || stream.isClosed) {
				t.fail(
					`seed ${SEED + round}: stream ${stream.id} holds ${stream.queue.length} for ${stream.queuedBytes} bytes`,
				);
				return;
			}
		}
	}
	t.pass();
});
