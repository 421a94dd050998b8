import t from 'tap';
import { FrameReader } from '../../../lib/http/h2/frame-reader.js';
import { Flag, frame, PREFACE, Type } from '../../fixtures/h2-frames.js';

/** DATA in pieces, unknown types not at all, the rest whole. */
class Reader extends FrameReader {
	readonly seen: string[] = [];
	text = '';

	protected override frameBegins(): void {
		if (this.type === Type.DATA) this.wantPieces();
		else if (this.type > Type.CONTINUATION) this.skip();
		else this.wantWhole();
	}
	protected override frame(bytes: Buffer, start: number, end: number): void {
		this.seen.push(`${this.type} ${this.flags} ${this.streamId} ${bytes.toString('latin1', start, end)}`);
	}
	protected override piece(bytes: Buffer, start: number, end: number): void {
		this.text += bytes.toString('latin1', start, end);
	}
	protected override padding(bytes: number): void {
		this.seen.push(`padding ${bytes}`);
	}
	protected override piecesEnded(): void {
		this.seen.push(`data ${this.text}`);
		this.text = '';
	}
	override fail(code: number): void {
		this.seen.push(`failed ${code}`);
		this.stop();
	}
}

const BYTES = Buffer.concat([
	Buffer.from(PREFACE, 'latin1'),
	frame(Type.SETTINGS, 0, 0),
	frame(Type.HEADERS, 4, 0x80000001, 'head'),
	frame(Type.DATA, 0, 1, 'payload'),
	frame(Type.DATA, Flag.PADDED, 1, '\x02abxx'),
	frame(Type.DATA, Flag.PADDED, 1, '\x00'),
	frame(99, 1, 1, 'unknown'),
	frame(Type.DATA, 0, 1),
	frame(Type.PING, 0, 0, 'x'.repeat(100)),
]);
const SEEN = [
	'4 0 0 ',
	'1 4 1 head',
	'data payload',
	'padding 3',
	'data ab',
	'padding 1',
	'data ',
	'data ',
	`6 0 0 ${'x'.repeat(100)}`,
];

t.test('frames out of bytes, however they come', async (t) => {
	for (let size = 1; size <= BYTES.length; size++) {
		const reader = new Reader(true);
		for (let at = 0; at < BYTES.length; at += size) {
			reader.receive(BYTES, at, Math.min(BYTES.length, at + size), 0);
		}
		t.same(reader.seen, SEEN, `${size} bytes at a time`);
	}
});

t.test('what is no preface, and padding that is none', async (t) => {
	const reader = new Reader(true);
	const bytes = Buffer.from('GET / HTTP/1.1\r\n\r\n');
	reader.receive(bytes, 0, bytes.length, 0);
	t.same(reader.seen, ['failed 1']);
	t.ok(reader.isOver);
	for (const [payload, code] of [
		['', 6],
		['\x01', 1],
		['\x09abc', 1],
	] as const) {
		const padded = new Reader(false);
		const one = Buffer.concat([frame(Type.DATA, Flag.PADDED, 1, payload), frame(Type.PING, 0, 0)]);
		padded.receive(one, 0, one.length, 0);
		t.same(padded.seen, [`failed ${code}`]);
	}
});
