import { useMutation, useQuery } from '@tanstack/react-query'
import { useState } from 'react'
import { api, ok, type Schemas } from '../lib/api'
import { faultOf } from '../lib/fault'
import { queries } from '../lib/query'
import { t } from '../lib/words'
import { Button } from '../ui/button'
import { Rows } from '../ui/skeleton'
import { say, sayFault } from '../ui/toast'
import { HourRows, workWeek } from './limits'
import { Part } from './page'

/** When they work, in their own time zone; nobody is offered a lead outside. */
export function ShiftForm({ user, may }: { user: string; may: boolean }) {
  const path = { path: { id: user } }
  const shifts = useQuery({ queryKey: ['users', user, 'shifts'], queryFn: () => ok(api.GET('/v1/users/{id}/shifts', { params: path })) })
  const [draft, change] = useState<Schemas['Shift'][] | null>(null)
  const save = useMutation({
    mutationFn: () => ok(api.PUT('/v1/users/{id}/shifts', { params: path, body: { shifts: draft! } })),
    onSuccess: (now) => {
      queries.setQueryData(['users', user, 'shifts'], now)
      change(null)
      say(t('console.people.changed'), { kind: 'good' })
    },
    onError: (e) => {
      const f = faultOf(e)
      const said = Object.values(f.fields)
      if (said.length) say(f.message, { kind: 'lost', words: said.join(' ') })
      else sayFault(e)
    },
  })
  const now = draft ?? shifts.data?.shifts
  return (
    <Part title={t('console.people.shifts')} action={may && now && <Button icon="plus" onClick={() => change(now.length ? [...now, { weekday: 6, start_minute: 540, end_minute: 1080 }] : workWeek)}>{now.length ? t('console.draft.addHours') : t('console.draft.setHours')}</Button>}>
      {!now ? <Rows n={3} /> : now.length === 0 ? <p className="text-soft">{t('console.people.noShifts')}</p> : <HourRows hours={now} set={change} disabled={!may} />}
      {draft && (
        <div className="mt-4 flex gap-2">
          <Button look="primary" busy={save.isPending} onClick={() => save.mutate()}>{t('console.people.saveShifts')}</Button>
          <Button look="quiet" onClick={() => change(null)}>{t('common.cancel')}</Button>
        </div>
      )}
    </Part>
  )
}
