/** The `log` lines of a peers section: its words go to its own targets, warnings to the program's log as well. */
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import t from 'tap';
import { systemClock } from '../../lib/core/clock.js';
import type { Logger } from '../../lib/core/logger.js';
import { PeersLogs } from '../../lib/process/peers-log.js';
import { load } from '../config/load.js';
import { waitFor } from '../fixtures/wait-for.js';

t.test('sections with and without log lines', async (t) => {
	const received: string[] = [];
	const server = createSocket('udp4').on('message', (message) => void received.push(message.toString('latin1')));
	server.bind(0, '127.0.0.1');
	await once(server, 'listening');
	t.teardown(() => server.close());
	const { model, remarks } = load(`global
 localpeer a
 log-tag hf
 log-send-hostname here
 log 127.0.0.1:${server.address().port} format rfc3164 local1 warning
peers with
 log 127.0.0.1:${server.address().port} format priority local7
 log global
 peer a 127.0.0.1:1
peers without
 peer a 127.0.0.1:2
`);
	if (model === undefined) throw new Error(remarks.join('\n'));
	const written: string[] = [];
	const note = (level: string) => (text: string) => void written.push(`${level} ${text}`);
	const logger = { debug: note('debug'), info: note('info'), warn: note('warn'), error: note('error') };
	const logs = new PeersLogs(model.global, new Map(), systemClock, logger as unknown as Logger);
	t.teardown(() => logs.close());
	const [withLog, without] = model.peers.map((peers) => logs.of(peers));
	withLog!.info('came');
	withLog!.warn('went');
	without!.info('came too');
	without!.warn('went too');
	t.same(written, ['debug came', 'warn went', 'info came too', 'warn went too']);
	await waitFor('three messages', () => received.length === 3);
	const messages = received.map((text) => text.replace(/>\w.*here hf\[\d+\]: /, '>DATE here hf: ')).sort();
	// local1 from warning on, local7 whatever it is.
	t.same(messages, ['<140>DATE here hf: went\n', '<188>went\n', '<189>came\n']);
});
