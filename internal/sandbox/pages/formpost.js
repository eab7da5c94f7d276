document.getElementById("hiddenform").submit();
