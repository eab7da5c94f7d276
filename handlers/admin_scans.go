package handlers

import (
	"net/http"

	"azts.internal/portal/internal/scan"
	"azts.internal/portal/session"
	"azts.internal/portal/templates"
)

// scanNumbers is the admin's view of scans: numbers of the tenant, no one's scan.
type scanNumbers struct {
	*admin
	scans *scan.Service
}

// show is GET /admin/scans.
func (n *scanNumbers) show(w http.ResponseWriter, r *http.Request, live *session.Session) error {
	numbers, err := n.scans.Numbers(r.Context(), live.User.ID.Authority)
	if err != nil {
		return err
	}
	page := templates.AdminScansPage{AdminFrame: n.frameOf(w, r, live, "Scans in numbers"), People: numbers.People, Schedules: numbers.Schedules,
		Running: numbers.Open[scan.Requested] + numbers.Open[scan.Running], Waiting: numbers.Open[scan.Waiting]}
	for _, day := range numbers.Days {
		row := templates.AdminScanDay{Day: day.Start}
		for state, n := range day.Scans {
			row.Total += n
			switch state {
			case scan.Completed:
				row.Completed += n
			case scan.Refused:
				row.Refused += n
			case scan.Failed:
				row.Failed += n
			case scan.Stalled:
				row.Stalled += n
			default:
				row.Open += n
			}
		}
		page.Stalled += row.Stalled
		page.Days = append(page.Days, row)
	}
	return n.render(w, r, http.StatusOK, templates.AdminScans(page))
}
