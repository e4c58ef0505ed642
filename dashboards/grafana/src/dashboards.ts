// The dashboards. Each query reads what llmwatch publishes or records and nothing
// else; docs/metrics.md lists it.
import type { DashboardBuilder } from '@grafana/grafana-foundation-sdk/dashboard';
import { RowBuilder } from '@grafana/grafana-foundation-sdk/dashboard';
import { frame, label } from './frame.ts';
import { lines, rows, value } from './panels.ts';
import { thresholdOf } from './rules.ts';

const host = 'job=~"$job",instance=~"$instance"';
const job = 'job=~"$job"';
const requests = 'http_server_request_duration_seconds';
const firstToken = 'gen_ai_server_time_to_first_token_seconds';
const perToken = 'gen_ai_server_time_per_output_token_seconds';

const quantile = (q: number, histogram: string, by: string, selector = job) =>
  `histogram_quantile(${q}, sum by (${by}, le) (rate(${histogram}_bucket{${selector}}[$__rate_interval])))`;

const hostVariables = (d: DashboardBuilder) =>
  d
    .withVariable(label('job', 'Job', 'label_values(node_memory_MemTotal_bytes, job)'))
    .withVariable(label('instance', 'Instance', 'label_values(node_memory_MemTotal_bytes{job=~"$job"}, instance)'));

const jobVariable = (d: DashboardBuilder, metric: string) =>
  d.withVariable(label('job', 'Job', `label_values(${metric}, job)`));

const cpu = (width: number) =>
  lines({
    title: 'CPU', width, unit: 'percent', min: 0, max: 100, threshold: thresholdOf('high_cpu_usage'),
    description: 'Share of all processors’ time that was not idle. Waiting for I/O counts as idle.',
    queries: [{ expr: `llmwatch:cpu_percent{${host}}`, legend: '{{instance}}' }],
  });

const memory = (width: number) =>
  lines({
    title: 'Memory', width, unit: 'percent', min: 0, max: 100, threshold: thresholdOf('critical_memory_usage'),
    description: 'Share of the memory that programs cannot get without swapping.',
    queries: [{ expr: `llmwatch:memory_percent{${host}}`, legend: '{{instance}}' }],
  });

const firingNow = (width: number) =>
  value({
    title: 'Firing alerts', width, unit: 'short', threshold: { value: 1, severity: 'high' },
    description: 'Alerts of all rules that fire now, acknowledged or not.',
    queries: [{ expr: 'count(ALERTS{alertstate="firing"}) or vector(0)', legend: 'firing' }],
  });

function overview(): DashboardBuilder {
  const d = frame('llmwatch-overview', 'llmwatch / Overview', 'How the platform and its machines are, at one glance.');
  hostVariables(d);
  return d
    .withPanel(firingNow(4))
    .withPanel(value({
      title: 'CPU', unit: 'percent', threshold: thresholdOf('high_cpu_usage'), decimals: 1,
      description: 'Busiest host: share of all processors’ time that was not idle.',
      queries: [{ expr: `max(llmwatch:cpu_percent{${host}})`, legend: 'CPU' }],
    }))
    .withPanel(value({
      title: 'Memory', unit: 'percent', threshold: thresholdOf('critical_memory_usage'), decimals: 1,
      description: 'Fullest host: share of the memory that programs cannot get without swapping.',
      queries: [{ expr: `max(llmwatch:memory_percent{${host}})`, legend: 'Memory' }],
    }))
    .withPanel(value({
      title: 'Disk', unit: 'percent', threshold: thresholdOf('low_disk_space'), decimals: 1,
      description: 'Fullest host: used share of the root file system.',
      queries: [{ expr: `max(llmwatch:disk_percent{${host}})`, legend: 'Disk' }],
    }))
    .withPanel(value({
      title: 'Requests', unit: 'reqps', decimals: 1, description: 'Requests a second to the platform’s API, over 5 minutes.',
      queries: [{ expr: 'sum(llmwatch:http_requests:rate5m)', legend: 'requests' }],
    }))
    .withPanel(value({
      title: 'Errors', unit: 'percent', threshold: thresholdOf('high_api_error_rate'), decimals: 2,
      description: 'Share of the requests that ended in a server error (5xx), over 5 minutes; the worst job.',
      queries: [{ expr: 'max(llmwatch:http_error_percent)', legend: 'errors' }],
    }))
    .withPanel(cpu(12))
    .withPanel(memory(12))
    .withPanel(lines({
      title: 'Requests by job', unit: 'reqps', min: 0, description: 'Requests a second to the API, over 5 minutes.',
      queries: [{ expr: 'llmwatch:http_requests:rate5m', legend: '{{job}}' }],
    }))
    .withPanel(lines({
      title: 'Mean response time', unit: 's', min: 0, threshold: thresholdOf('slow_response_times'),
      description: 'Mean duration of the requests of the last 5 minutes. Percentiles are on the API dashboard.',
      queries: [{ expr: 'llmwatch:http_response_seconds:avg5m', legend: '{{job}}' }],
    }))
    .withPanel(lines({
      title: 'Jobs', unit: 'short', min: 0, stacked: true, description: 'Unfinished jobs by type and state.',
      queries: [{ expr: 'sum by (type, state) (llm_jobs)', legend: '{{type}} {{state}}' }],
    }))
    .withPanel(lines({
      title: 'Queues', unit: 'short', min: 0, threshold: thresholdOf('deep_queue'),
      description: 'Tasks that wait in each queue.',
      queries: [{ expr: 'sum by (job, queue) (llm_queue_depth)', legend: '{{queue}} of {{job}}' }],
    }));
}

function system(): DashboardBuilder {
  const d = frame('llmwatch-system', 'llmwatch / System', 'The machines: processors, memory, disks, network.');
  hostVariables(d);
  return d
    .withRow(new RowBuilder('Processors and memory'))
    .withPanel(cpu(12))
    .withPanel(memory(12))
    .withPanel(lines({
      title: 'CPU by mode', unit: 'percentunit', min: 0, stacked: true,
      description: 'What the processors’ time went into, in processors: 1 is one processor fully busy.',
      queries: [{ expr: `sum by (mode) (rate(node_cpu_seconds_total{${host},mode!="idle"}[$__rate_interval]))`, legend: '{{mode}}' }],
    }))
    .withPanel(lines({
      title: 'Load', unit: 'short', min: 0, description: 'Tasks that run or wait for a processor or a disk, averaged over 1, 5 and 15 minutes.',
      queries: [
        { expr: `node_load1{${host}}`, legend: '{{instance}} 1 min' },
        { expr: `node_load5{${host}}`, legend: '{{instance}} 5 min' },
        { expr: `node_load15{${host}}`, legend: '{{instance}} 15 min' },
      ],
    }))
    .withPanel(lines({
      title: 'Memory in bytes', unit: 'bytes', min: 0, description: 'Memory of each host, and what of it programs can still get without swapping.',
      queries: [
        { expr: `node_memory_MemTotal_bytes{${host}}`, legend: '{{instance}} total' },
        { expr: `node_memory_MemAvailable_bytes{${host}}`, legend: '{{instance}} available' },
      ],
    }))
    .withPanel(lines({
      title: 'Time since boot', unit: 's', min: 0, description: 'How long each host has been running; it falls to 0 when one restarts.',
      queries: [{ expr: `time() - node_boot_time_seconds{${host}}`, legend: '{{instance}}' }],
    }))
    .withRow(new RowBuilder('Disks'))
    .withPanel(lines({
      title: 'File systems', unit: 'percent', min: 0, max: 100, threshold: thresholdOf('low_disk_space'),
      description: 'Used share of each file system, as df shows it.',
      queries: [{ expr: `llmwatch:filesystem_percent{${host}}`, legend: '{{instance}} {{mountpoint}}' }],
    }))
    .withPanel(lines({
      title: 'Free space', unit: 'bytes', min: 0, description: 'Bytes of each file system that unprivileged programs can still fill.',
      queries: [{ expr: `node_filesystem_avail_bytes{${host}}`, legend: '{{instance}} {{mountpoint}}' }],
    }))
    .withPanel(lines({
      title: 'Disk traffic', unit: 'Bps', description: 'Bytes a second read from and written to each disk.', width: 24,
      queries: [
        { expr: `rate(node_disk_read_bytes_total{${host}}[$__rate_interval])`, legend: '{{instance}} {{device}} read' },
        { expr: `rate(node_disk_written_bytes_total{${host}}[$__rate_interval])`, legend: '{{instance}} {{device}} written' },
      ],
    }))
    .withRow(new RowBuilder('Network'))
    .withPanel(lines({
      title: 'Network traffic', unit: 'Bps', description: 'Bytes a second that each device received and sent.',
      queries: [
        { expr: `rate(node_network_receive_bytes_total{${host}}[$__rate_interval])`, legend: '{{instance}} {{device}} received' },
        { expr: `rate(node_network_transmit_bytes_total{${host}}[$__rate_interval])`, legend: '{{instance}} {{device}} sent' },
      ],
    }))
    .withPanel(lines({
      title: 'Connections', unit: 'short', min: 0, description: 'TCP sockets in use, listening ones included.',
      queries: [{ expr: `llmwatch:connections{${host}}`, legend: '{{instance}}' }],
    }));
}

function api(): DashboardBuilder {
  const d = frame('llmwatch-api', 'llmwatch / API', 'The requests to the platform’s API: how many, how slow, how many fail.');
  jobVariable(d, `${requests}_count`);
  d.withVariable(label('route', 'Route', `label_values(${requests}_count{job=~"$job"}, http_route)`));
  const selector = `${job},http_route=~"$route"`;
  return d
    .withPanel(lines({
      title: 'Requests by route', unit: 'reqps', min: 0, stacked: true, description: 'Requests a second by route.',
      queries: [{ expr: `sum by (http_route) (rate(${requests}_count{${selector}}[$__rate_interval]))`, legend: '{{http_route}}' }],
    }))
    .withPanel(lines({
      title: 'Requests by status', unit: 'reqps', min: 0, stacked: true, description: 'Requests a second by status code.',
      queries: [{ expr: `sum by (http_response_status_code) (rate(${requests}_count{${selector}}[$__rate_interval]))`, legend: '{{http_response_status_code}}' }],
    }))
    .withPanel(lines({
      title: 'Response time', unit: 's', min: 0, threshold: thresholdOf('slow_response_times'),
      description: 'How long requests took: the fastest half, 95 % and 99 % of them. The line is where the alert on the mean is due.',
      queries: [0.5, 0.95, 0.99].map((q) => ({ expr: `histogram_quantile(${q}, sum by (le) (rate(${requests}_bucket{${selector}}[$__rate_interval])))`, legend: `p${q * 100}` })),
    }))
    .withPanel(lines({
      title: 'Errors', unit: 'percent', min: 0, threshold: thresholdOf('high_api_error_rate'),
      description: 'Share of the requests that ended in a server error (5xx), over 5 minutes.',
      queries: [{ expr: `llmwatch:http_error_percent{${job}}`, legend: '{{job}}' }],
    }))
    .withPanel(lines({
      title: '95th percentile by route', unit: 's', min: 0, description: 'Of each route, the time within which 95 % of the requests were answered.',
      queries: [{ expr: quantile(0.95, requests, 'http_route', selector), legend: '{{http_route}}' }],
    }))
    .withPanel(lines({
      title: 'Longest request', unit: 's', min: 0, description: 'The longest request that ended within the last 2 minutes, by route. No estimate: the real maximum.',
      queries: [{ expr: `max by (http_route) (http_server_request_duration_max_seconds{${selector}})`, legend: '{{http_route}}' }],
    }))
    .withPanel(lines({
      title: 'Requests being served', unit: 'short', min: 0, description: 'Requests that have begun and not ended.',
      queries: [{ expr: `sum by (http_request_method) (http_server_active_requests{${job}})`, legend: '{{http_request_method}}' }],
    }))
    .withPanel(lines({
      title: 'Traffic', unit: 'Bps', description: 'Bytes a second of request and response bodies.',
      queries: [
        { expr: `sum(rate(http_server_request_body_size_bytes_sum{${selector}}[$__rate_interval]))`, legend: 'requests' },
        { expr: `sum(rate(http_server_response_body_size_bytes_sum{${selector}}[$__rate_interval]))`, legend: 'responses' },
      ],
    }))
    .withPanel(rows({
      title: 'Routes', unit: 'short', decimals: 0, description: 'Requests in the chosen range by route, method and status code.',
      queries: [{ expr: `sort_desc(round(sum by (http_route, http_request_method, http_response_status_code) (increase(${requests}_count{${selector}}[$__range]))))`, legend: '{{http_route}}' }],
    }));
}

function llm(): DashboardBuilder {
  const d = frame('llmwatch-llm', 'llmwatch / LLM application', 'Models, jobs, caches, queues and connections of the platform.');
  jobVariable(d, 'llm_jobs_finished_total');
  return d
    .withRow(new RowBuilder('Models'))
    .withPanel(lines({
      title: 'Requests to models', unit: 'reqps', min: 0, description: 'Requests a second to each model.',
      queries: [{ expr: `sum by (gen_ai_request_model) (rate(gen_ai_server_request_duration_seconds_count{${job}}[$__rate_interval]))`, legend: '{{gen_ai_request_model}}' }],
    }))
    .withPanel(lines({
      title: 'Time to first token', unit: 's', min: 0, threshold: thresholdOf('slow_first_token'),
      description: 'Of each model, the time within which 95 % of the requests got their first token.',
      queries: [{ expr: quantile(0.95, firstToken, 'gen_ai_request_model'), legend: '{{gen_ai_request_model}}' }],
    }))
    .withPanel(lines({
      title: 'Time per output token', unit: 's', min: 0, description: 'Of each model, the 95th percentile of the time for each token after the first.',
      queries: [{ expr: quantile(0.95, perToken, 'gen_ai_request_model'), legend: '{{gen_ai_request_model}}' }],
    }))
    .withPanel(lines({
      title: 'Tokens', unit: 'short', min: 0, description: 'Tokens a second that models read (input) and produced (output).',
      queries: [{ expr: `sum by (gen_ai_request_model, gen_ai_token_type) (rate(gen_ai_client_token_usage_sum{${job}}[$__rate_interval]))`, legend: '{{gen_ai_request_model}} {{gen_ai_token_type}}' }],
    }))
    .withPanel(lines({
      title: 'Cost', unit: 'currencyUSD', min: 0, description: 'US dollars an hour spent on each model.',
      queries: [{ expr: `3600 * sum by (model, type) (rate(llm_cost_usd_total{${job}}[$__rate_interval]))`, legend: '{{model}} {{type}}' }],
    }))
    .withPanel(lines({
      title: 'Evaluation scores', unit: 'short', min: 0, description: 'The last score of each model in each evaluation.',
      queries: [{ expr: `max by (evaluation, model) (llm_evaluation_score{${job}})`, legend: '{{model}} {{evaluation}}' }],
    }))
    .withRow(new RowBuilder('Jobs'))
    .withPanel(lines({
      title: 'Unfinished jobs', unit: 'short', min: 0, stacked: true, description: 'Jobs that wait or run.',
      queries: [{ expr: `sum by (type, state) (llm_jobs{${job}})`, legend: '{{type}} {{state}}' }],
    }))
    .withPanel(lines({
      title: 'Finished jobs', unit: 'short', min: 0, description: 'Jobs that ended in the last hour, by how.',
      queries: [{ expr: `sum by (type, status) (increase(llm_jobs_finished_total{${job}}[1h]))`, legend: '{{type}} {{status}}' }],
    }))
    .withPanel(lines({
      title: 'Wait in the queue', unit: 's', min: 0, threshold: thresholdOf('slow_job_queue'),
      description: 'The time within which 95 % of the jobs started.',
      queries: [{ expr: quantile(0.95, 'llm_job_queue_wait_seconds', 'type'), legend: '{{type}}' }],
    }))
    .withPanel(lines({
      title: 'Time without progress', unit: 's', min: 0, threshold: thresholdOf('job_without_progress'),
      description: 'Of the running job that has been longest without progress. Only jobs that report progress count.',
      queries: [{ expr: `max by (type) (time() - llm_job_last_progress_timestamp_seconds{${job}})`, legend: '{{type}}' }],
    }))
    .withPanel(lines({
      title: 'Losses that are not finite', unit: 'short', min: 0, description: 'Progress reports with a loss of NaN or infinity in the last 10 minutes.',
      threshold: thresholdOf('nonfinite_loss'),
      queries: [{ expr: `sum by (type) (increase(llm_job_nonfinite_loss_total{${job}}[10m]))`, legend: '{{type}}' }],
    }))
    .withPanel(lines({
      title: 'Trained tokens', unit: 'short', min: 0, description: 'Tokens a second that models are trained on.',
      queries: [{ expr: `sum by (model) (rate(llm_trained_tokens_total{${job}}[$__rate_interval]))`, legend: '{{model}}' }],
    }))
    .withRow(new RowBuilder('Caches, queues, connections'))
    .withPanel(lines({
      title: 'Cache hit rate', unit: 'percent', min: 0, max: 100, description: 'Share of the look-ups that the cache answered.',
      queries: [{ expr: `100 * sum by (cache) (rate(llm_cache_requests_total{${job},result="hit"}[$__rate_interval])) / (sum by (cache) (rate(llm_cache_requests_total{${job}}[$__rate_interval])) > 0)`, legend: '{{cache}}' }],
    }))
    .withPanel(lines({
      title: 'Cache size', unit: 'bytes', min: 0, description: 'Bytes that each cache takes.',
      queries: [{ expr: `sum by (cache) (llm_cache_size_bytes{${job}})`, legend: '{{cache}}' }],
    }))
    .withPanel(lines({
      title: 'Queues', unit: 'short', min: 0, threshold: thresholdOf('deep_queue'), description: 'Tasks that wait in each queue.',
      queries: [{ expr: `sum by (queue) (llm_queue_depth{${job}})`, legend: '{{queue}}' }],
    }))
    .withPanel(lines({
      title: 'Connection pools', unit: 'percent', min: 0, max: 100, threshold: thresholdOf('exhausted_connections'),
      description: 'Share of each pool’s connections that are used.',
      queries: [{ expr: `100 * sum by (pool) (db_client_connection_count{${job},state="used"}) / (sum by (pool) (db_client_connection_max{${job}}) > 0)`, legend: '{{pool}}' }],
    }));
}

function alerts(): DashboardBuilder {
  return frame('llmwatch-alerts', 'llmwatch / Alerts', 'What fires, and whether people are told.')
    .withPanel(firingNow(6))
    .withPanel(value({
      title: 'Not acknowledged', width: 6, unit: 'short', threshold: { value: 1, severity: 'high' },
      description: 'Alerts that nobody has said to take care of.',
      queries: [{ expr: 'sum(llmwatch_alerts{status=~"triggered|active"}) or vector(0)', legend: 'open' }],
    }))
    .withPanel(value({
      title: 'Notifications owed', width: 6, unit: 'short', threshold: { value: 1, severity: 'medium' },
      description: 'Notifications that wait to be delivered, because a channel does not answer or the hour’s bound is reached.',
      queries: [{ expr: 'sum(llmwatch_notifications_pending) or vector(0)', legend: 'owed' }],
    }))
    .withPanel(value({
      title: 'Pending', width: 6, unit: 'short', description: 'Alerts that wait for their rule’s duration to pass.',
      queries: [{ expr: 'count(ALERTS{alertstate="pending"}) or vector(0)', legend: 'pending' }],
    }))
    .withPanel(rows({
      title: 'Firing now', unit: 'short', description: 'Every alert that fires, with its labels. What is done about it is on llmwatch’s own page.',
      queries: [{ expr: 'ALERTS{alertstate="firing"}', legend: '{{alertname}}' }],
    }, ['alertstate', 'Value']))
    .withPanel(lines({
      title: 'Alerts by severity', unit: 'short', min: 0, stacked: true, description: 'Alerts that are not resolved, by severity.',
      queries: [{ expr: 'sum by (severity) (llmwatch_alerts)', legend: '{{severity}}' }],
    }))
    .withPanel(lines({
      title: 'Firing rules', unit: 'short', min: 0, stacked: true, description: 'Firing alerts by rule.',
      queries: [{ expr: 'count by (alertname) (ALERTS{alertstate="firing"})', legend: '{{alertname}}' }],
    }))
    .withPanel(lines({
      title: 'Deliveries', unit: 'short', min: 0, description: 'Attempts to deliver notifications in the last hour, by channel and outcome. Nothing is shown while no channel is enabled.',
      queries: [{ expr: 'sum by (channel, outcome) (increase(llmwatch_notification_attempts_total[1h]))', legend: '{{channel}} {{outcome}}' }],
    }))
    .withPanel(lines({
      title: 'Requests to llmwatch', unit: 'reqps', min: 0, description: 'Requests a second that llmwatch itself answers, by status code.',
      queries: [{ expr: 'sum by (code) (rate(llmwatch_api_requests_total[$__rate_interval]))', legend: '{{code}}' }],
    }));
}

export const dashboards: Record<string, () => DashboardBuilder> = { overview, system, api, llm, alerts };
