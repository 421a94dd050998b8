import t from 'tap';
import { formatSyslog, parseSyslog, unparsedSyslog, withHost } from '../../../lib/stream/log-forward/message.js';

const NOW_MS = new Date(2026, 10, 23, 14, 0, 1).getTime();
const NOW = { legacy: () => 'Jan  2 03:04:05', iso: () => '2026-01-02T03:04:05.000000+00:00' };
const FORMATS = ['rfc3164', 'rfc5424', 'local', 'priority', 'short', 'timed', 'iso', 'raw'] as const;

/** The message in its own format and in all of them. */
function formats(message: string, own = 'kept'): Record<string, string> {
	const parsed = parseSyslog(message, NOW_MS);
	const written = FORMATS.map((format) => [format, formatSyslog(parsed, format, parsed.priority ?? 152, NOW)]);
	return Object.fromEntries([[own, formatSyslog(parsed, parsed.format, parsed.priority ?? 152, NOW)], ...written]);
}

t.test('a message of RFC 3164 in every format, as HAProxy writes them', async (t) => {
	t.same(formats('<14>Nov 23 14:00:01 myhost app[123]: hello world'), {
		kept: '<14>Nov 23 14:00:01 myhost app[123]: hello world',
		rfc3164: '<14>Nov 23 14:00:01 myhost app[123]: hello world',
		rfc5424: '<14>1 2026-11-23T14:00:01-00:00 myhost app 123 - - hello world',
		local: '<14>Nov 23 14:00:01 app[123]: hello world',
		priority: '<14>hello world',
		short: '<6>hello world',
		timed: '<6>2026-11-23T14:00:01-00:00 hello world',
		iso: '2026-11-23T14:00:01-00:00 hello world',
		raw: 'hello world',
	});
});

t.test('a message of RFC 5424 in every format', async (t) => {
	const message = '<14>1 2026-11-03T13:01:02.345678+01:00 myhost app 123 ID47 [x y="z"] hello there';
	t.same(formats(message), {
		kept: message,
		rfc3164: '<14>Nov  3 13:01:02 myhost app[123]: hello there',
		rfc5424: message,
		local: '<14>Nov  3 13:01:02 app[123]: hello there',
		priority: '<14>hello there',
		short: '<6>hello there',
		timed: '<6>2026-11-03T13:01:02.345678+01:00 hello there',
		iso: '2026-11-03T13:01:02.345678+01:00 hello there',
		raw: 'hello there',
	});
});

t.test('what a message lacks is made up: the present time, localhost, dashes', async (t) => {
	t.match(formats('<14>plain'), {
		kept: '<14>plain',
		rfc3164: '<14>Jan  2 03:04:05 localhost plain',
		rfc5424: '<14>1 2026-01-02T03:04:05.000000+00:00 - - - - - plain',
		local: '<14>Jan  2 03:04:05 plain',
	});
	t.match(formats('nothing'), { kept: 'nothing', rfc3164: '<152>Jan  2 03:04:05 localhost nothing', raw: 'nothing' });
	t.match(formats('<14>1 - host app pid msgid - text'), {
		kept: '<14>1 - host app pid msgid - text',
		rfc3164: '<14>Jan  2 03:04:05 host app[pid]: text',
	});
});

t.test('structured data ends at its own brackets', async (t) => {
	for (const data of ['[a b="]\\]"]', '[a][c d="\\""]', '[a b="c" d="e]"]', '-']) {
		const message = `<14>1 2026-11-23T13:01:02Z h app 1 m ${data} [text] here`;
		const parsed = parseSyslog(message, NOW_MS);
		t.equal(parsed.text, '[text] here', data);
		t.equal(formatSyslog(parsed, 'rfc5424', 14, NOW), message);
	}
	t.equal(parseSyslog('<14>1 2026-11-23T13:01:02Z h app 1 m -', NOW_MS).text, '', 'a message may have no text');
});

t.test('what only begins like a format goes on whole', async (t) => {
	for (const text of [
		'1 bad rfc5424',
		'1 2026-11-23T13:01:02Z h app 1 m [a b="] text',
		'1 yesterday h app 1 m - text',
		'2 2026-11-23T13:01:02Z h app 1 m - text',
		'Nov  3 04:03:21 only',
		'Foo  3 04:03:21 host app: text',
		'2026-11-23T13:01:02Z text',
	]) {
		const parsed = parseSyslog(`<14>${text}`, NOW_MS);
		t.equal(parsed.format, 'priority', text);
		t.equal(parsed.text, text);
	}
	for (const text of ['<14', '<1000>x', '<256>x', '<-1>x', '14>x', '']) {
		const parsed = parseSyslog(text, NOW_MS);
		t.same([parsed.format, parsed.priority, parsed.text], ['raw', undefined, text], text);
	}
	t.equal(parseSyslog('<>x', NOW_MS).priority, 0);
});

t.test('the tag of RFC 3164 ends with a colon and a space, else it is text', async (t) => {
	const parts = (message: string): unknown[] => {
		const { host, tag, processId, text } = parseSyslog(`<14>Nov 23 14:00:01 ${message}`, NOW_MS);
		return [host, tag, processId, text];
	};
	t.same(parts('h app: text'), ['h', 'app', undefined, 'text']);
	t.same(parts('h app[1]:text'), ['h', undefined, undefined, 'app[1]:text']);
	t.same(parts('h two words: text'), ['h', undefined, undefined, 'two words: text']);
	t.same(parts('fe80::1 app: text'), ['fe80::1', 'app', undefined, 'text']);
	t.same(parts('app[9]: text'), [undefined, 'app', '9', 'text'], 'no host, as in what programs tell their own machine');
	t.equal(formats('<14>Nov 23 14:00:01 app[9]: text').kept, '<14>Nov 23 14:00:01 app[9]: text');
});

t.test('the host by the strategy of the section', async (t) => {
	const named = parseSyslog('<14>Nov 23 14:00:01 h app: text', NOW_MS);
	const nameless = parseSyslog('<14>text', NOW_MS);
	const hosts = (strategy: Parameters<typeof withHost>[1]) =>
		[named, nameless].map((message) => withHost(message, strategy, '10.0.0.1').host);
	t.same(hosts('keep'), ['h', undefined]);
	t.same(hosts('fill'), ['h', '10.0.0.1']);
	t.same(hosts('replace'), ['10.0.0.1', '10.0.0.1']);
	t.same(hosts('append'), ['h,10.0.0.1', '10.0.0.1']);
	t.equal(withHost(named, 'replace', undefined).host, 'h', 'a sender without an address');
});

t.test('unparsed, a message is text', async (t) => {
	const message = unparsedSyslog('<14>Nov 23 14:00:01 h app: text');
	t.equal(formatSyslog(message, message.format, 0, NOW), '<14>Nov 23 14:00:01 h app: text');
});
