// What a dashboard of ours may have in the version of Grafana that docker-compose.yml names. The check puts
// deploy/grafana/dashboards/cartledger.json behind the last line: of a literal the compiler refuses unknown members too.
import type {Dashboard, DataQuery, Panel} from '@grafana/schema';
import type {FieldConfig, Options} from '@grafana/schema/dist/types/raw/composable/timeseries/panelcfg/x/TimeSeriesPanelCfg_types.gen.d.ts';

interface PrometheusQuery extends DataQuery {
    expr: string;
    legendFormat: string;
}

interface TimeSeries extends Omit<Panel<Options, FieldConfig>, 'targets'> {
    type: 'timeseries';
    datasource: {type: 'prometheus'; uid: 'prometheus'};
    targets: PrometheusQuery[];
}

export const dashboard: Omit<Dashboard, 'panels'> & {panels: TimeSeries[]} =
