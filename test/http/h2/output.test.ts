import t from 'tap';
import { HpackEncoder } from '../../../lib/http/h2/hpack-encoder.js';
import { H2Output, OUTPUT_BUFFER_BYTES, OutputBuffers, PIECE_BYTES } from '../../../lib/http/h2/output.js';
import { H2Stream } from '../../../lib/http/h2/stream.js';

const WIDE = 2 ** 30;

interface Setting {
	readonly output: H2Output<undefined>;
	readonly buffers: OutputBuffers;
	readonly taken: number[];
	readonly done: number[];
	readonly streams: H2Stream<undefined>[];
	/** Numbers of the streams whose DATA is in the buffer, in order, and their sizes. */
	frames(): [number, number][];
}

function setUp(streamCount: number, outputFull: (output: H2Output<undefined>) => void = () => undefined): Setting {
	const buffers = new OutputBuffers();
	const taken: number[] = [];
	const done: number[] = [];
	const output: H2Output<undefined> = new H2Output<undefined>(buffers, new HpackEncoder(), {
		dataTaken: ({ id }) => taken.push(id),
		localDone: ({ id }) => done.push(id),
		outputFull: () => outputFull(output),
	});
	output.sendWindow = WIDE;
	const streams = Array.from({ length: streamCount }, (_, i) => new H2Stream<undefined>(2 * i + 1, 65_535, WIDE));
	const frames = (): [number, number][] => {
		const { length } = output;
		const buffer = output.take();
		const found: [number, number][] = [];
		for (let at = 0; at < length; at += 9 + buffer.readUIntBE(at, 3)) {
			found.push([buffer.readUInt32BE(at + 5), buffer.readUIntBE(at, 3)]);
		}
		output.giveBack(buffer);
		return found;
	};
	return { output, buffers, taken, done, streams, frames };
}

t.test('streams take turns, a frame each', async (t) => {
	const { output, streams, frames, taken } = setUp(3);
	const bytes = Buffer.alloc(40_000);
	output.isBlocked = true;
	for (const stream of streams) output.data(stream, bytes, 0, bytes.length);
	t.equal(output.length, 0, 'nothing while the socket is busy');
	t.ok(output.hasWaiting);
	output.isBlocked = false;
	output.pump();
	t.same(
		frames()
			.filter(([, size]) => size === 16_384)
			.map(([id]) => id),
		[1, 3, 5, 1],
	);
	t.same(taken.slice(0, 3), [1, 3, 5]);
	const rest: [number, number][] = [];
	for (;;) {
		output.pump();
		if (output.length === 0) break;
		rest.push(...frames());
	}
	for (const stream of streams) t.equal(stream.queuedBytes, 0);
	t.notOk(output.hasWaiting);
});

t.test('the bytes come out as they went in, whatever their pieces', async (t) => {
	for (const sizes of [[1, 2, 3], [5000, 70_000, 4096, 1], [PIECE_BYTES, PIECE_BYTES + 1], [200_000]]) {
		const { output, streams, buffers } = setUp(1);
		const [stream] = streams as [H2Stream<undefined>];
		const whole = Buffer.concat(sizes.map((size, i) => Buffer.alloc(size, i + 65)));
		let at = 0;
		for (const [index, size] of sizes.entries()) {
			if (index === 1) stream.sendWindow = 0;
			output.data(stream, whole, at, at + size);
			at += size;
		}
		output.end(stream, undefined);
		stream.sendWindow = WIDE;
		output.schedule(stream);
		const pieces: Buffer[] = [];
		for (;;) {
			output.pump();
			const { length } = output;
			if (length === 0) break;
			const buffer = output.take();
			for (let i = 0; i < length; ) {
				const size = buffer.readUIntBE(i, 3);
				pieces.push(Buffer.from(buffer.subarray(i + 9, i + 9 + size)));
				i += 9 + size;
			}
			output.giveBack(buffer);
		}
		t.ok(Buffer.concat(pieces).equals(whole), sizes.join(' '));
		t.ok(stream.localDone);
		t.equal(buffers.freeCount, 1);
	}
});

t.test('a full buffer may be written in the midst of a piece', async (t) => {
	let written = 0;
	const { output, streams, buffers } = setUp(1, (out) => {
		written += out.length;
		buffers.give(out.take());
	});
	const [stream] = streams as [H2Stream<undefined>];
	output.data(stream, Buffer.alloc(100_000), 0, 100_000);
	t.ok(written > OUTPUT_BUFFER_BYTES - 2048, `${written} bytes`);
	t.equal(stream.queuedBytes, 0);
});

t.test('what is dropped gives its memory back', async (t) => {
	const { output, streams, buffers } = setUp(1);
	const [stream] = streams as [H2Stream<undefined>];
	stream.sendWindow = 0;
	output.data(stream, Buffer.alloc(100_000), 0, 100_000);
	t.equal(stream.queue.length, Math.ceil(100_000 / PIECE_BYTES));
	const piece = stream.queue[2];
	output.drop(stream);
	t.equal(stream.queuedBytes + stream.queue.length, 0);
	t.ok(buffers.takePiece() === piece, 'the last is too small to be kept');
	output.pump();
	t.equal(output.length, 0);
});

t.test('a buffer that heads have made larger is not kept', async (t) => {
	const { output, buffers } = setUp(0);
	output.raw(Buffer.alloc(3 * OUTPUT_BUFFER_BYTES));
	const buffer = output.take();
	t.ok(buffer.length > OUTPUT_BUFFER_BYTES);
	const before = buffers.freeCount;
	output.giveBack(buffer);
	t.equal(buffers.freeCount, before);
});

t.test('long heads go on in CONTINUATIONs', async (t) => {
	const encoder = new HpackEncoder();
	const buffers = new OutputBuffers();
	const nothing = (): undefined => undefined;
	const output = new H2Output<undefined>(buffers, encoder, {
		dataTaken: nothing,
		localDone: nothing,
		outputFull: nothing,
	});
	const stream = new H2Stream<undefined>(1, 0, WIDE);
	encoder.begin();
	encoder.field('a', 'x'.repeat(40_000));
	output.head(stream, false);
	output.end(stream, undefined);
	const buffer = output.take();
	t.same([...buffer.subarray(0, 9)], [0x00, 0x40, 0x00, 1, 1, 0, 0, 0, 1], 'END_STREAM in the first');
	t.same([...buffer.subarray(16_393, 16_393 + 5)], [0x00, 0x40, 0x00, 9, 0]);
	t.equal(buffer[2 * 16_393 + 4], 4, 'END_HEADERS in the last');
});
