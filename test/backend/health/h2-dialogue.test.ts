/** A check that speaks HTTP/2: what it says, and what it makes of answers, whole and byte by byte, kept and broken. */
import t from 'tap';
import { H2Dialogue } from '../../../lib/backend/health/h2-dialogue.js';
import type { CheckRequest } from '../../../lib/backend/health/steps.js';
import { H2Connection, type H2Events } from '../../../lib/http/h2/connection.js';
import { FieldList } from '../../../lib/http/h2/field-list.js';
import { ErrorCode } from '../../../lib/http/h2/frames.js';
import { OUTPUT_BUFFERS } from '../../../lib/http/h2/output.js';
import type { H2Stream } from '../../../lib/http/h2/stream.js';

const REQUEST: CheckRequest = {
	method: 'GET',
	uri: '/health',
	version: 'HTTP/1.1',
	headers: [
		['host', 'a.example'],
		['connection', 'close'],
		['x-a', ' b '],
	],
	body: undefined,
};

type Answer = (server: H2Connection<undefined>, stream: H2Stream<undefined>) => void;

const respond =
	(status: string, fields: readonly (readonly [string, string])[], body: string | undefined): Answer =>
	(server, stream) => {
		server.encoder.begin();
		server.encoder.field(':status', status);
		for (const [name, value] of fields) server.encoder.field(name, value);
		server.sendHead(stream, body === undefined && !status.startsWith('10'), status.startsWith('10'));
		if (body === undefined) return;
		server.sendText(stream, body);
		server.endStream(stream);
	};

/** A server of our own codec behind a dialogue; `step`: bytes that pass at a time. */
function play(answers: readonly Answer[], step = Number.POSITIVE_INFINITY, options = { bodyBytesMax: 100 }) {
	const asked: string[] = [];
	let body = '';
	const toServer: Buffer[] = [];
	const finish = (stream: H2Stream<undefined>): void => {
		asked.push(body);
		for (const answer of answers) answer(server, stream);
	};
	const nothing = (): void => undefined;
	const events: H2Events<undefined> = {
		headReceived(stream, fields, ends) {
			body = Array.from({ length: fields.count }, (_, i) => `${fields.names[i]}=${fields.values[i]}`).join(' ');
			if (ends) finish(stream);
		},
		payloadReceived(stream, bytes, start, end) {
			body += ` | ${bytes.toString('latin1', start, end)}`;
			server.consumed(stream, end - start);
		},
		remoteEnded: finish,
		trailersReceived: nothing,
		streamReset: nothing,
		streamClosed: nothing,
		dataTaken: nothing,
		settingsReceived: nothing,
		pingAnswered: nothing,
		goawayReceived: (_last, code) => asked.push(`goaway ${code}`),
		connectionFailed: (_code, reason) => asked.push(reason),
	};
	const server = new H2Connection<undefined>(
		{
			role: 'server',
			settings: {},
			connectionWindowBytes: 65535,
			limits: { headSizeMax: 16384, headerCountMax: 100 },
			blockSizeMax: 65536,
			buffers: OUTPUT_BUFFERS,
		},
		events,
	);
	server.start();
	const dialogue = new H2Dialogue({ isTls: false, ...options, write: (bytes) => toServer.push(bytes) });
	let news = 0;
	const exchange = (): void => {
		for (;;) {
			for (const bytes of toServer.splice(0)) server.receive(bytes, 0, bytes.length, 0);
			server.output.pump();
			const { length } = server.output;
			if (length === 0) return;
			const bytes = Buffer.from(server.output.take().subarray(0, length));
			for (let at = 0; at < bytes.length; at += step) {
				if (dialogue.receive(bytes.subarray(at, Math.min(bytes.length, at + step)), 0)) news++;
			}
		}
	};
	return { dialogue, server, asked, exchange, newsCount: () => news, fields: new FieldList() };
}

t.test('a request and its response', async (t) => {
	for (const step of [1, 7, Number.POSITIVE_INFINITY]) {
		const { dialogue, asked, exchange, newsCount } = play(
			[respond('103', [['link', 'x']], undefined), respond('200', [['x-b', 'c']], 'hello')],
			step,
		);
		t.ok(dialogue.send(REQUEST));
		t.equal(dialogue.response(), 'wait');
		exchange();
		t.strictSame(asked, [':method=GET :scheme=http :authority=a.example :path=/health x-a=b']);
		t.match(dialogue.response(), { ended: true, body: 'hello', head: { status: 200 } });
		t.ok(newsCount() > 0);
		dialogue.leave();
		exchange();
		t.equal(asked[1], `goaway ${ErrorCode.NO_ERROR}`);
	}
});

t.test('several requests on a connection, bodies, and none', async (t) => {
	const { dialogue, asked, exchange } = play([respond('204', [], undefined)]);
	for (const body of ['abc', '']) {
		t.ok(dialogue.send({ ...REQUEST, method: 'POST', headers: [], body }));
		exchange();
		t.match(dialogue.response(), { ended: true, body: '', head: { status: 204 } });
	}
	t.strictSame(asked, [
		':method=POST :scheme=http :path=/health content-length=3 | abc',
		':method=POST :scheme=http :path=/health content-length=0',
	]);
});

t.test('a body that is longer than what is looked at', async (t) => {
	const { dialogue, exchange } = play([respond('200', [], 'abcdef')], 1, { bodyBytesMax: 4 });
	dialogue.send(REQUEST);
	exchange();
	t.match(dialogue.response(), { ended: true, body: 'abcd' });
});

t.test('responses that break rules', async (t) => {
	const rows: readonly (readonly [string, Answer])[] = [
		['no number', respond('ok', [], 'x')],
		['101', respond('101', [], undefined)],
		['of one hop', respond('200', [['connection', 'close']], 'x')],
		['no length', respond('200', [['content-length', 'x']], 'x')],
		['another length', respond('200', [['content-length', '2']], 'x')],
		['reset', (server, stream) => server.reset(stream, ErrorCode.REFUSED_STREAM)],
	];
	for (const [name, answer] of rows) {
		const { dialogue, exchange } = play([answer]);
		dialogue.send(REQUEST);
		exchange();
		t.equal(dialogue.response(), 'malformed', name);
		t.notOk(dialogue.isBroken, name);
	}
});

t.test('a server that does not speak it, that closes, that leaves', async (t) => {
	const { dialogue } = play([]);
	dialogue.send(REQUEST);
	t.ok(dialogue.receive(Buffer.from('HTTP/1.1 400 Bad Request\r\n\r\n'), 0));
	t.equal(dialogue.response(), 'malformed');
	t.ok(dialogue.isBroken);

	const silent = play([]);
	silent.dialogue.send(REQUEST);
	silent.exchange();
	t.notOk(silent.dialogue.isEmpty);
	silent.dialogue.closed();
	t.ok(silent.dialogue.isEmpty);

	const leaving = play([respond('200', [], undefined)]);
	leaving.server.leave();
	leaving.exchange();
	t.notOk(leaving.dialogue.send(REQUEST), 'no request fits any more');
});
