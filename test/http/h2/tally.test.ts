/** What a connection of HTTP/2 counts for the statistics: frames, streams, errors, and what is open. */
import t from 'tap';
import { H2Connection, type H2Events } from '../../../lib/http/h2/connection.js';
import { ErrorCode } from '../../../lib/http/h2/frames.js';
import { OUTPUT_BUFFERS } from '../../../lib/http/h2/output.js';
import type { H2Stream } from '../../../lib/http/h2/stream.js';
import { H2_TALLY_LENGTH, H2Tally } from '../../../lib/http/h2/tally.js';
import { COUNTERS, Column } from '../../../lib/shared/counters.js';

const AT = 3;

function end(role: 'server' | 'client', row: Float64Array) {
	const heads: H2Stream<undefined>[] = [];
	const nothing = (): void => undefined;
	const events: H2Events<undefined> = {
		headReceived: (stream) => heads.push(stream),
		payloadReceived: nothing,
		remoteEnded: nothing,
		trailersReceived: nothing,
		streamReset: nothing,
		streamClosed: nothing,
		dataTaken: nothing,
		settingsReceived: nothing,
		pingAnswered: nothing,
		goawayReceived: nothing,
		connectionFailed: nothing,
	};
	const codec = new H2Connection<undefined>(
		{
			role,
			settings: {},
			connectionWindowBytes: 65535,
			limits: { headSizeMax: 16384, headerCountMax: 100 },
			blockSizeMax: 65536,
			buffers: OUTPUT_BUFFERS,
			tally: { row, at: AT },
		},
		events,
	);
	codec.start();
	return { codec, heads };
}

type End = ReturnType<typeof end>;

/** Passes on what one has to say. */
function pass(from: End, to: End): void {
	from.codec.output.pump();
	const { length } = from.codec.output;
	if (length === 0) return;
	const bytes = Buffer.from(from.codec.output.take().subarray(0, length));
	to.codec.receive(bytes, 0, bytes.length, 0);
}

function talk(one: End, other: End): void {
	while (one.codec.output.length > 0 || other.codec.output.length > 0) {
		pass(one, other);
		pass(other, one);
	}
}

function pair() {
	const row = new Float64Array(AT + H2_TALLY_LENGTH);
	const clientRow = new Float64Array(AT + H2_TALLY_LENGTH);
	const [client, server] = [end('client', clientRow), end('server', row)];
	talk(client, server);
	const request = (ends: boolean): H2Stream<undefined> => {
		const stream = client.codec.openStream(undefined) as H2Stream<undefined>;
		client.codec.encoder.begin();
		client.codec.encoder.field(':method', 'GET');
		client.codec.sendHead(stream, ends);
		return stream;
	};
	const count = (name: keyof typeof H2Tally): number => row[AT + H2Tally[name]] as number;
	const clientCount = (name: keyof typeof H2Tally): number => clientRow[AT + H2Tally[name]] as number;
	return { client, server, request, count, clientCount, row };
}

t.test('its places are the columns of the counters, in order', async (t) => {
	t.equal(COUNTERS.filter(({ name }) => name.startsWith('h2_')).length, H2_TALLY_LENGTH);
	const columns: readonly (readonly [number, number])[] = [
		[Column.h2_headers_rcvd, H2Tally.HEADERS],
		[Column.h2_data_rcvd, H2Tally.DATA],
		[Column.h2_settings_rcvd, H2Tally.SETTINGS],
		[Column.h2_rst_stream_rcvd, H2Tally.RESETS],
		[Column.h2_goaway_rcvd, H2Tally.GOAWAYS],
		[Column.h2_detected_conn_protocol_errors, H2Tally.CONNECTION_ERRORS],
		[Column.h2_detected_strm_protocol_errors, H2Tally.STREAM_ERRORS],
		[Column.h2_rst_stream_resp, H2Tally.RESETS_SENT],
		[Column.h2_goaway_resp, H2Tally.GOAWAYS_SENT],
		[Column.h2_open_connections, H2Tally.OPEN_CONNECTIONS],
		[Column.h2_backend_open_streams, H2Tally.OPEN_STREAMS],
		[Column.h2_total_connections, H2Tally.CONNECTIONS],
		[Column.h2_backend_total_streams, H2Tally.STREAMS],
	];
	for (const [column, place] of columns) t.equal(column - Column.h2_headers_rcvd, place);
});

t.test('frames and streams of both ends', async (t) => {
	const { client, server, request, count, clientCount, row } = pair();
	t.equal(count('SETTINGS'), 2, 'the settings, and that ours have come');
	const first = request(false);
	client.codec.sendText(first, 'abc');
	client.codec.endStream(first);
	const second = request(false);
	talk(client, server);
	t.equal(count('HEADERS'), 2);
	t.equal(count('DATA'), 1);
	t.equal(count('STREAMS'), 2);
	t.equal(count('OPEN_STREAMS'), 2);
	t.equal(clientCount('OPEN_STREAMS'), 2);
	client.codec.reset(second, ErrorCode.CANCEL);
	server.codec.encoder.begin();
	server.codec.encoder.field(':status', '200');
	server.codec.sendHead(server.heads[0] as H2Stream<undefined>, true);
	talk(client, server);
	t.equal(count('RESETS'), 1);
	t.equal(count('OPEN_STREAMS'), 0);
	t.equal(clientCount('HEADERS'), 1);
	request(false);
	client.codec.leave();
	talk(client, server);
	t.equal(count('GOAWAYS'), 1);
	t.equal(count('OPEN_CONNECTIONS'), 1);
	t.equal(count('OPEN_STREAMS'), 1);
	server.codec.tallyEnd();
	server.codec.tallyEnd();
	t.equal(count('OPEN_CONNECTIONS'), 0, 'once');
	t.equal(count('OPEN_STREAMS'), 0, 'what was on it is closed with it');
	t.equal(count('CONNECTIONS'), 1);
	t.strictSame([...row.subarray(0, AT)], [0, 0, 0], 'what belongs to others is left alone');
});

t.test('errors of the peer', async (t) => {
	const { client, server, request, count } = pair();
	request(true);
	talk(client, server);
	server.codec.refuse(server.heads[0] as H2Stream<undefined>, ErrorCode.PROTOCOL_ERROR);
	t.equal(count('STREAM_ERRORS'), 1);
	t.equal(count('RESETS_SENT'), 1);
	t.equal(count('CONNECTION_ERRORS'), 0);
	// DATA on stream 0.
	const bytes = Buffer.from([0, 0, 1, 0, 0, 0, 0, 0, 0, 65]);
	server.codec.receive(bytes, 0, bytes.length, 0);
	t.equal(count('CONNECTION_ERRORS'), 1);
	t.equal(count('GOAWAYS_SENT'), 1);
});
