/** `/metrics` of the real program over a reload: strictly what the text format allows, and what only Holdfast tells. */
import t from 'tap';
import { request } from '../fixtures/http-client.js';
import { freePorts } from '../fixtures/ports.js';
import { startProgram } from '../fixtures/program.js';
import { waitFor } from '../fixtures/wait-for.js';
import { parseTextFormat } from '../stats/text-format.js';

t.setTimeout(60_000);

const CONFIG = `
global
  nbthread 2
  maxconnrate 5000
defaults
  mode http
  timeout client 10s
  timeout server 10s
  timeout connect 1s
peers mesh
  peer here 127.0.0.1:\${port2}
  peer away 127.0.0.1:\${port3}
  table seen type ip size 100 expire 10m store gpc0
frontend f
  bind 127.0.0.1:\${port1}
  http-request use-service prometheus-exporter if { path /metrics }
  http-request track-sc0 src table mesh/seen
  http-request sc-inc-gpc0(0)
  http-request return status 204
backend b
  server gone 127.0.0.1:\${port3} check inter 200ms
`;

const [front = 0, own = 0, away = 0] = await freePorts(3);
const program = await startProgram(t, {
	config: CONFIG,
	ports: 3,
	usePorts: [front, own, away],
	args: ['-db', '-L', 'here'],
});

/** The value of one sample; undefined: there is none with these labels. */
async function scrape(): Promise<(name: string, labels?: Readonly<Record<string, string>>) => number | undefined> {
	const { body } = await request(front, '/metrics');
	const metrics = parseTextFormat(body);
	return (name, labels = {}) =>
		metrics
			.get(name)
			?.samples.find((sample) => Object.entries(labels).every(([label, value]) => sample.labels.get(label) === value))
			?.value;
}

t.test('what only Holdfast tells', async (t) => {
	for (let i = 0; i < 3; i++) await request(front, '/');
	const peer = { section: 'mesh', peer: 'away' };
	await waitFor('the first figures of the control thread', async () => {
		const value = await scrape();
		return (
			(value('holdfast_peer_table_pending_updates', { ...peer, table: 'mesh/seen' }) ?? 0) > 0 &&
			value('haproxy_server_check_code', { server: 'gone' }) === 0
		);
	});
	const value = await scrape();
	t.equal(value('holdfast_peer_up', peer), 0);
	t.ok((value('holdfast_peer_table_lag_seconds', { ...peer, table: 'mesh/seen' }) ?? -1) >= 0);
	t.equal(value('haproxy_sticktable_used', { name: 'mesh/seen' }), 1);
	t.equal(value('holdfast_sticktable_evictions_total', { name: 'mesh/seen' }), 0);
	t.equal(value('holdfast_reloads_total', { result: 'success' }), 1);
	t.equal(value('holdfast_last_handoff_seconds'), undefined, 'nothing was handed over yet');
	t.ok((value('holdfast_thread_event_loop_delay_seconds', { thread: '1', stat: 'p99' }) ?? -1) >= 0);
	t.equal(value('haproxy_process_limit_connection_rate'), 5000);
	t.equal(value('haproxy_server_check_code', { server: 'gone' }), 0);
	t.equal(value('haproxy_server_check_failures_total', { server: 'gone' }), 1);
	t.equal(value('haproxy_backend_check_up_down_total', { proxy: 'b' }), 1);
});

t.test('over a reload', async (t) => {
	program.child.kill('SIGUSR2');
	await waitFor('the configuration before to have ended', async () => {
		const value = await scrape();
		return (value('holdfast_last_handoff_seconds') ?? -1) >= 0;
	});
	const value = await scrape();
	t.equal(value('holdfast_reloads_total', { result: 'success' }), 2);
	t.equal(value('holdfast_generation'), 2);
	t.equal(value('holdfast_kept_entries'), 1);
	t.ok((value('holdfast_last_reload_seconds') ?? 0) > 0);
});
