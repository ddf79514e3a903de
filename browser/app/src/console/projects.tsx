import { useMutation, useQuery } from '@tanstack/react-query'
import { getRouteApi, Link, useNavigate } from '@tanstack/react-router'
import { type FormEvent, useState } from 'react'
import { api, ok } from '../lib/api'
import { faultOf } from '../lib/fault'
import { count } from '../lib/format'
import { useActs } from '../lib/keys'
import { useMay } from '../lib/me'
import { queries } from '../lib/query'
import { t } from '../lib/words'
import { Missing } from '../root'
import { Badge } from '../ui/badge'
import { Button } from '../ui/button'
import { Confirm } from '../ui/dialog'
import { Empty } from '../ui/empty'
import { Field } from '../ui/field'
import { Sheet } from '../ui/sheet'
import { Rows } from '../ui/skeleton'
import { When } from '../ui/time'
import { formFault, say, sayFault } from '../ui/toast'
import { type Project, useFresh, useProjects, useSources } from './data'
import { Listing } from './listing'
import { Page, Part, Sorry } from './page'
import { period } from './period'
import { usePolicies, usePool } from './policies'
import { ProjectForm, ZoneField } from './start'
import { LeadState, Presence } from './states'
import { Fact } from './story'

const here = getRouteApi('/inside/console/projects/$id')
const further = 'inline-flex min-h-9 items-center text-sm font-medium text-accent underline underline-offset-4'
const Sold = ({ on }: { on: boolean }) => <Badge tone={on ? 'good' : 'plain'}>{on ? t('console.project.on') : t('console.project.off')}</Badge>

/** What is sold, with its hours and the ways its leads come in. */
export function ProjectList() {
  const may = useMay()
  const go = useNavigate()
  const projects = useProjects()
  const sources = useSources().data
  const [making, make] = useState(false)
  const manage = !!may('setup:manage')
  useActs(manage ? [{ id: 'project.new', words: t('console.project.new'), keys: 'n', group: t('console.nav.projects'), run: () => make(true) }] : [])
  const rows = [...(projects.data ?? [])].sort((a, b) => Number(b.active) - Number(a.active))
  return (
    <Page full title={t('console.nav.projects')} action={manage && <Button look="primary" icon="plus" onClick={() => make(true)}>{t('console.project.new')}</Button>}>
      <Listing
        query={projects}
        rows={rows}
        empty={<Empty title={t('console.board.noProjects')} words={t('console.start.project.words')} />}
        keys={{ next: t('console.project.next'), before: t('console.project.before') }}
        label={t('console.nav.projects')}
        rowKey={(p) => p.id}
        onOpen={(p) => void go({ to: '/console/projects/$id', params: { id: p.id } })}
        columns={[
          { id: 'name', width: 'minmax(170px,2fr)', head: t('console.col.project'), cell: (p: Project) => <span className="font-medium">{p.name}</span> },
          { id: 'state', width: '150px', head: t('console.col.state'), cell: (p: Project) => <Sold on={p.active} /> },
          { id: 'zone', width: 'minmax(150px,1fr)', head: t('console.start.project.zone'), cell: (p: Project) => <span dir="ltr">{p.time_zone}</span> },
          { id: 'sources', width: '110px', end: true, head: t('console.nav.sources'), cell: (p: Project) => sources?.filter((s) => s.project_id === p.id).length },
          { id: 'since', width: '150px', end: true, head: t('console.col.since'), cell: (p: Project) => <When at={p.created_at} /> },
        ]}
      />
      <Sheet open={making} onClose={() => make(false)} title={t('console.project.new')}>
        {making && <ProjectForm onDone={(id) => void go({ to: '/console/projects/$id', params: { id } })} />}
      </Sheet>
    </Page>
  )
}

/** One project: what it is called, when its days begin, its sources, its team, and whether it is sold. */
export function ProjectPage() {
  const { id } = here.useParams()
  const may = useMay()
  const projects = useProjects()
  const [ask, show] = useState(false)
  const change = useMutation({
    mutationFn: (body: { name?: string; time_zone?: string; active?: boolean }) => ok(api.PATCH('/v1/projects/{id}', { params: { path: { id } }, body })),
    onSuccess: () => say(t('console.people.changed'), { kind: 'good' }),
    onError: formFault,
    onSettled: () => {
      show(false)
      for (const k of ['projects', 'board', 'sources']) void queries.invalidateQueries({ queryKey: [k] })
    },
  })
  if (projects.isError && !projects.data) return <Sorry error={projects.error} again={() => void projects.refetch()} />
  const p = projects.data?.find((x) => x.id === id)
  if (projects.data && !p && !projects.isFetching) return <Missing />
  if (!p) return <Page title={t('console.nav.projects')}><Rows n={5} tall /></Page>
  const manage = !!may('setup:manage')
  const faults = change.isError ? faultOf(change.error).fields : {}
  const submit = (e: FormEvent<HTMLFormElement>) => {
    e.preventDefault()
    const f = new FormData(e.currentTarget)
    change.mutate({ name: String(f.get('name')).trim(), time_zone: String(f.get('time_zone')).trim() })
  }
  return (
    <Page
      title={<span className="flex flex-wrap items-center gap-3">{p.name}<Sold on={p.active} /></span>}
      words={<Link to="/console/projects" className="underline underline-offset-4">{t('console.nav.projects')}</Link>}
      action={manage && <Button look={p.active ? 'lost' : 'plain'} onClick={() => (p.active ? show(true) : change.mutate({ active: true }))}>{p.active ? t('console.project.archive') : t('console.project.again')}</Button>}
    >
      {may('reports:read') && <Strip project={p.id} />}
      <div className="grid grid-cols-1 gap-x-14 gap-y-10 lg:grid-cols-2">
        <Part title={t('console.project.about')}>
          {manage ? (
            <form key={p.id} onSubmit={submit} className="grid gap-4">
              <Field name="name" label={t('console.start.project.name')} defaultValue={p.name} required maxLength={120} fault={faults.name} autoComplete="off" />
              <ZoneField now={p.time_zone} fault={faults.time_zone} />
              <div><Button type="submit" busy={change.isPending}>{t('console.source.save')}</Button></div>
            </form>
          ) : (
            <dl className="space-y-2.5"><Fact words={t('console.start.project.zone')}><span dir="ltr">{p.time_zone}</span></Fact></dl>
          )}
          <dl className="mt-6 space-y-2.5">
            <Fact words={t('console.source.slug')}><span dir="ltr" className="font-mono text-xs">{p.slug}</span></Fact>
            <Fact words={t('console.col.since')}><When at={p.created_at} /></Fact>
          </dl>
        </Part>
        <div className="space-y-10">
          <Team project={p.id} />
          <Sources project={p.id} />
          {may('leads:read') && <Latest project={p.id} />}
        </div>
      </div>
      <Confirm open={ask} onClose={() => show(false)} title={t('console.project.archiveAsk', { name: p.name })} words={t('console.project.archiveWords')} verb={t('console.project.archiveDo')} busy={change.isPending} onYes={() => change.mutate({ active: false })} />
    </Page>
  )
}

/** How it went in the last four weeks, beside each other; more is in the reports. */
function Strip({ project }: { project: string }) {
  const time = period(28)
  const row = useQuery({ queryKey: ['figures', 'project', time], queryFn: () => ok(api.GET('/v1/reports/figures', { params: { query: { ...time, by: 'project' } } })) }).data?.rows.find((r) => r.id === project)
  const facts = [['leads', row?.leads], ['accepted', row?.accepted], ['contacted', row?.contacted], ['visits', row?.visits], ['bookings', row?.bookings]] as const
  return (
    <section className="mb-10" aria-label={t('console.project.month')}>
      <p className="mb-2 text-sm text-soft">{t('console.project.month')}</p>
      <dl className="grid grid-cols-3 gap-x-4 gap-y-4 border-y border-line py-4 md:grid-cols-5">
        {facts.map(([k, n]) => (
          <div key={k}>
            <dt className="text-sm text-soft">{t(`console.project.figure.${k}`)}</dt>
            <dd className="figures text-lg font-semibold">{count(n ?? 0)}</dd>
          </div>
        ))}
      </dl>
    </section>
  )
}

/** The leads that came last; nobody's name is opened for it. */
function Latest({ project }: { project: string }) {
  const sources = useSources().data
  const leads = useQuery({ queryKey: ['leads', 'latest', project], queryFn: () => ok(api.GET('/v1/leads', { params: { query: { project, limit: 5 } } })).then((l) => l.items) })
  useFresh(/^lead\.created$/, ['leads', 'latest', project])
  return (
    <Part title={t('console.project.latest')} action={<Link to="/console/leads" search={{ project }} className={further}>{t('console.source.leads')}</Link>}>
      {!leads.data ? <Rows n={3} /> : !leads.data.length ? <p className="text-soft">{t('console.project.noLeads')}</p> : (
        <ul>
          {leads.data.map((l) => (
            <li key={l.id} className="flex min-h-11 items-center gap-3 border-b border-line text-sm">
              <Link to="/console/leads/$id" params={{ id: l.id }} className="min-w-0 flex-1 truncate font-medium underline-offset-4 hover:underline">{sources?.find((s) => s.id === l.source.id)?.name ?? l.source.name}</Link>
              <LeadState state={l.state} />
              <span className="text-soft"><When at={l.created_at} /></span>
            </li>
          ))}
        </ul>
      )}
    </Part>
  )
}

/** Who is offered its leads, by which policy. */
function Team({ project }: { project: string }) {
  const go = useNavigate()
  const pool = usePool(project)
  const policy = usePolicies().data?.find((v) => v.project_id === project && v.published)
  const none = pool.isError && faultOf(pool.error).status === 404
  return (
    <Part title={t('console.team.members')} action={<Button icon="people" onClick={() => void go({ to: '/console/routing/team/$project', params: { project } })}>{t('console.team.settings')}</Button>}>
      {pool.isPending ? <Rows n={3} /> : none || !pool.data?.members.length ? <p className="text-soft">{t('console.team.none')}</p> : (
        <ul>
          {pool.data.members.map((m) => (
            <li key={m.user_id} className="flex min-h-11 items-center gap-3 border-b border-line text-sm">
              <Link to="/console/people/$id" params={{ id: m.user_id }} className="min-w-0 flex-1 truncate font-medium underline-offset-4 hover:underline">{m.name}</Link>
              {m.active && !m.on_shift && <Badge>{t('console.board.offShift')}</Badge>}
              <Presence state={m.presence} />
            </li>
          ))}
        </ul>
      )}
      {policy && <p className="mt-3 text-sm"><Link to="/console/routing/$id" params={{ id: policy.id }} className="font-medium underline underline-offset-4">{t('console.routing.version', { n: policy.version, name: policy.name })}</Link></p>}
    </Part>
  )
}

/** The ways its leads come in. */
function Sources({ project }: { project: string }) {
  const sources = useSources()
  const may = useMay()
  const shown = sources.data?.filter((s) => s.project_id === project)
  const move = useMutation({
    mutationFn: ({ id, active }: { id: string; active: boolean }) => ok(api.PATCH('/v1/sources/{id}', { params: { path: { id } }, body: { active } })),
    onError: sayFault,
    onSettled: () => void queries.invalidateQueries({ queryKey: ['sources'] }),
  })
  return (
    <Part title={t('console.nav.sources')} action={<Link to="/console/sources" search={{ project }} className={further}>{t('console.project.allSources')}</Link>}>
      {!shown ? <Rows n={2} /> : !shown.length ? <p className="text-soft">{t('console.source.none')}</p> : (
        <ul>
          {shown.map((s) => (
            <li key={s.id} className="flex min-h-11 items-center gap-3 border-b border-line text-sm">
              <Link to="/console/sources/$id" params={{ id: s.id }} className="min-w-0 flex-1 truncate font-medium underline-offset-4 hover:underline">{s.name}</Link>
              <span className="text-soft">{t(`console.source.${s.kind}`)}</span>
              <label className="flex min-h-9 items-center gap-2">
                <input type="checkbox" className="size-4 accent-accent" checked={s.active} disabled={!may('setup:manage') || move.isPending} onChange={(e) => move.mutate({ id: s.id, active: e.target.checked })} />
                {t('console.source.on')}
              </label>
            </li>
          ))}
        </ul>
      )}
    </Part>
  )
}
