import t from 'tap';
import { applySettings, defaultSettings, encodeSettings } from '../../../lib/http/h2/settings.js';

t.test('only what is not the default is told, and comes out as it went in', async (t) => {
	t.equal(encodeSettings(defaultSettings()).length, 0);
	const settings = {
		headerTableSize: 0,
		enablePush: false,
		maxConcurrentStreams: 7,
		initialWindowSize: 2 ** 31 - 1,
		maxFrameSize: 2 ** 24 - 1,
		maxHeaderListSize: 12,
		enableConnectProtocol: true,
	};
	const bytes = encodeSettings(settings);
	t.equal(bytes.length, 42);
	const found = defaultSettings();
	t.equal(applySettings(found, bytes, 0, bytes.length), 0);
	t.same(found, settings);
});

t.test('bounds (RFC 9113, section 6.5.2)', async (t) => {
	const rows: readonly (readonly [id: number, value: number, error: number])[] = [
		[1, 2 ** 32 - 1, 0],
		[2, 0, 0],
		[2, 2, 1],
		[4, 2 ** 31 - 1, 0],
		[4, 2 ** 31, 3],
		[5, 16_383, 1],
		[5, 16_384, 0],
		[5, 2 ** 24 - 1, 0],
		[5, 2 ** 24, 1],
		[8, 2, 1],
		[9, 5, 0],
		[0xffff, 2 ** 32 - 1, 0],
	];
	for (const [id, value, error] of rows) {
		const bytes = Buffer.alloc(6);
		bytes.writeUInt16BE(id, 0);
		bytes.writeUInt32BE(value, 2);
		t.equal(applySettings(defaultSettings(), bytes, 0, 6), error, `${id} = ${value}`);
	}
});

t.test('an offer of extended CONNECT cannot be taken back (RFC 8441, section 3)', async (t) => {
	const settings = { ...defaultSettings(), enableConnectProtocol: true };
	t.equal(applySettings(settings, Buffer.from([0, 8, 0, 0, 0, 0]), 0, 6), 1);
});
