/**
 * Fetches of HAProxy's manual (2.6 to 3.x) that Holdfast does not have, with the reason: a line that uses one is refused
 * as not supported, rather than as a spelling mistake, and `-vv` shows it. Building one means a row in a table and one
 * name less here.
 */

const BY_REASON: readonly (readonly [reason: string, names: readonly string[]])[] = [
	['the device databases are proprietary libraries', ['51d.all', 'da-csv-fetch', 'wurfl-get', 'wurfl-get-all']],
	['there are no FastCGI applications', ['fcgi.docroot', 'fcgi.index']],
	[
		"it shows HAProxy's own message blocks",
		[
			'internal.htx.data',
			'internal.htx.free',
			'internal.htx.free_data',
			'internal.htx.has_eom',
			'internal.htx.nbblks',
			'internal.htx.size',
			'internal.htx.used',
			'internal.htx_blk.data',
			'internal.htx_blk.hdrname',
			'internal.htx_blk.hdrval',
			'internal.htx_blk.size',
			'internal.htx_blk.start_line',
			'internal.htx_blk.type',
			'internal.strm.is_htx',
		],
	],
	[
		"it shows HAProxy's own scheduler",
		['cpu_calls', 'cpu_ns_avg', 'cpu_ns_tot', 'last_entity', 'lat_ns_avg', 'lat_ns_tot', 'waiting_entity'],
	],
	[
		"Node does not tell the kernel's TCP_INFO",
		[
			'bc_rtt',
			'bc_rttvar',
			'fc_fackets',
			'fc_lost',
			'fc_reordering',
			'fc_retrans',
			'fc_rtt',
			'fc_rttvar',
			'fc_sacked',
			'fc_saved_syn',
			'fc_tfo',
			'fc_unacked',
		],
	],
	[
		"Node's tls does not tell it",
		['ssl_bc_npn', 'ssl_bc_server_random', 'ssl_bc_sigalgs_bin', 'ssl_fc_curve', 'ssl_fc_npn', 'ssl_fc_server_random'],
	],
	['there is no QUIC', ['so_is_quic']],
	['sc_clr_gpc says the same', ['sc1_clr_gpc']],
	['not built', ['distcc_body', 'distcc_param', 'req.bytes_in', 'req.bytes_out']],
];

/** Each name with its reason. */
export const UNSUPPORTED_FETCHES: ReadonlyMap<string, string> = new Map(
	BY_REASON.flatMap(([reason, names]) => names.map((name) => [name, reason] as const)),
);
